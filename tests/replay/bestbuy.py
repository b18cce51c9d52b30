"""
The categories of a large electronics retailer, as lines for `tradepost catalog import-categories`.

    python -m tests.replay.bestbuy categories.json.gz > categories.ndjson
"""

import gzip
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.replay.invoices import NotTheFile

Names = Sequence[str | None]  # from the root down; one category of the file has no name


def read(file: Path) -> list[Names]:
    """The path of each category by its names, in the order of the file."""
    if not file.is_file():
        raise NotTheFile(f"{file} is missing")
    try:
        categories = json.loads(gzip.decompress(file.read_bytes()))
        return [[step["name"] for step in category["path"]] for category in categories]
    except gzip.BadGzipFile:
        raise NotTheFile(f"{file} is not gzipped") from None
    except (ValueError, TypeError, KeyError):
        raise NotTheFile(f"{file} is no list of categories with their paths") from None


def category_lines(paths: Iterable[Names]) -> Iterator[str]:
    """What the import takes: a line for each path, so that refusals name the row of the file."""
    for path in paths:
        yield json.dumps({"path": path}, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.writelines(category_lines(read(Path(sys.argv[1]))))
