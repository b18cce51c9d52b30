"""What has to be done with the shop so that the month happens again."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Self

from tests.replay.invoices import UNREADABLE, Line, Reading

LINES_OF_AN_ORDER: Final = 500  # as many as the service takes
PENNY: Final = Decimal("0.01")
GUEST: Final = ""  # the customer of a line that names none

NO_CUSTOMER: Final = "return without a customer"
NOT_BOUGHT: Final = "return of what no order of that customer holds"
PART: Final = "return of a part of an order"
MORE: Final = "return of more than any one order held"


@dataclass(frozen=True, slots=True)
class Article:
    """A product to make; `stock` is all that will be sold of it."""

    sku: str
    name: str
    price: Decimal
    stock: int


@dataclass(frozen=True, slots=True)
class Sale:
    """The goods on one sale invoice."""

    invoice: str
    customer: str
    lines: list[Line]

    @property
    def parts(self) -> list[list[Line]]:
        """The lines of each order that it takes, because an order holds no more than 500."""
        starts = range(0, len(self.lines), LINES_OF_AN_ORDER)
        return [self.lines[start : start + LINES_OF_AN_ORDER] for start in starts]


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A cancelling invoice, and the sale of which it brings back everything."""

    invoice: str
    sale: Sale
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    `steps` are in the order of the file, so a cancellation comes after its sale. `refused` says
    why of each line (by number) that is in no step.
    """

    articles: list[Article]
    customers: list[str]
    steps: list[Sale | Cancellation]
    refused: dict[int, str]

    @classmethod
    def of(cls, reading: Reading) -> Self:
        refused = dict.fromkeys(reading.unreadable, UNREADABLE)
        goods: dict[str, list[Line]] = defaultdict(list)
        for line in reading.lines:
            reason = line.refusal
            if reason is None:
                goods[line.invoice].append(line)
            else:
                refused[line.number] = reason
        steps: list[Sale | Cancellation] = []
        history = _History()
        for invoice, lines in goods.items():
            if not lines[0].is_return:
                sale = Sale(invoice, lines[0].customer, lines)
                history.add(sale)
                steps.append(sale)
            elif (bought := history.undone_by(lines)) is not None:
                steps.append(Cancellation(invoice, bought, lines))
            else:
                refused |= {line.number: history.refusal(line) for line in lines}
        return cls(
            articles=articles_of([step for step in steps if isinstance(step, Sale)]),
            customers=sorted({line.customer for line in reading.lines}),
            steps=steps,
            refused=refused,
        )

    @property
    def stock(self) -> dict[str, int]:
        """The stock with which the products are made, by sku."""
        return {article.sku: article.stock for article in self.articles}

    @property
    def sales(self) -> list[Sale]:
        return [step for step in self.steps if isinstance(step, Sale)]

    @property
    def cancellations(self) -> list[Cancellation]:
        return [step for step in self.steps if isinstance(step, Cancellation)]


@dataclass(slots=True)
class _History:
    """Of each customer, the sales so far that still stand, with their units by sku."""

    standing: dict[str, list[tuple[Sale, Counter[str]]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, sale: Sale) -> None:
        self.standing[sale.customer].append((sale, units(sale.lines)))

    def undone_by(self, returned: Sequence[Line]) -> Sale | None:
        """The latest sale to that customer of exactly these goods; it stands no longer."""
        customer = returned[0].customer
        if customer == GUEST:
            return None
        sales = self.standing[customer]
        for place, (sale, sold) in reversed(list(enumerate(sales))):
            if sold == units(returned):
                del sales[place]
                return sale
        return None

    def refusal(self, returned: Line) -> str:
        """Why no sale is cancelled by this line, whose invoice as a whole undoes none."""
        if returned.customer == GUEST:
            return NO_CUSTOMER
        most = max((sold[returned.sku] for _, sold in self.standing[returned.customer]), default=0)
        if most == 0:
            return NOT_BOUGHT
        return PART if -returned.quantity <= most else MORE


def units(lines: Iterable[Line]) -> Counter[str]:
    """How many of each sku, sold or brought back."""
    counted: Counter[str] = Counter()
    for line in lines:
        counted[line.sku] += abs(line.quantity)
    return counted


def articles_of(sales: Iterable[Sale]) -> list[Article]:
    """One product for each sku that is sold, under the description that it bears most often."""
    by_sku: dict[str, list[Line]] = defaultdict(list)
    for sale in sales:
        for line in sale.lines:
            by_sku[line.sku].append(line)
    return [
        Article(
            sku=sku,
            name=_usual_name(lines) or sku,
            price=usual_price(line.price for line in lines),
            stock=sum(line.quantity for line in lines),
        )
        for sku, lines in by_sku.items()
    ]


def _usual_name(lines: Iterable[Line]) -> str:
    """The description that most lines bear; empty where none has any."""
    described = Counter(line.description for line in lines if line.description)
    return max(described, key=lambda name: described[name], default="")


def usual_price(prices: Iterable[Decimal]) -> Decimal:
    """The price rule: the most frequent, of several such the lowest, in whole pence."""
    counted = Counter(prices)
    often = max(counted.values())
    return min(price for price in counted if counted[price] == often).quantize(
        PENNY, ROUND_HALF_EVEN
    )
