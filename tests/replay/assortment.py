"""
What the shop of the file sells, as lines for `tradepost catalog import`.

    python -m tests.replay.assortment 2010-12.csv.gz 2011-01.csv.gz > products.ndjson
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.replay.answers import CURRENCY, Json
from tests.replay.invoices import Reading, read
from tests.replay.plan import Article, Sale, articles_of
from tests.replay.terms import GUEST

ONLY_BROUGHT_BACK: Final = "only brought back"


@dataclass(frozen=True, slots=True)
class Assortment:
    """A product for each code that goods were sold under; `refused` says why any other is none."""

    articles: list[Article]
    refused: dict[str, str]

    @classmethod
    def of(cls, readings: Iterable[Reading]) -> Self:
        lines = [line for reading in readings for line in reading.lines]
        sold = [line for line in lines if line.refusal is None and not line.is_return]
        articles = articles_of([Sale("", GUEST, sold)])
        products = {article.sku for article in articles}
        refused = {
            line.sku: line.refusal or ONLY_BROUGHT_BACK
            for line in reversed(lines)
            if line.sku not in products
        }
        return cls(articles, refused)

    @property
    def kinds(self) -> Counter[str]:
        """How many codes are no product, for each reason."""
        return Counter(self.refused.values())


def row_of(article: Article) -> Json:
    """What the service is told of a product."""
    return {
        "sku": article.sku,
        "name": article.name,
        "price": {"amount": str(article.price), "currency": CURRENCY},
        "stock": article.stock,
    }


def product_lines(articles: Iterable[Article]) -> Iterator[str]:
    """What the import takes."""
    for article in articles:
        yield json.dumps(row_of(article), ensure_ascii=False) + "\n"


if __name__ == "__main__":
    assortment = Assortment.of(read(Path(file)) for file in sys.argv[1:])
    sys.stdout.writelines(product_lines(assortment.articles))
    for kind, count in assortment.kinds.most_common():
        print(f"{count} codes: {kind}", file=sys.stderr)
