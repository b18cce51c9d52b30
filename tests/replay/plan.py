"""What has to be done with the shop so that the month happens again."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Self, TypeAlias

from tests.replay.invoices import UNREADABLE, Line, Reading
from tests.replay.terms import GUEST, LINES_OF_AN_ORDER, PENNY, pays_by_credit

NO_CUSTOMER: Final = "return without a customer"
NOT_BOUGHT: Final = "return of what no order of that customer holds"
MORE: Final = "return of more than the orders of that customer hold"


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

    @classmethod
    def of(cls, lines: list[Line]) -> Self:
        return cls(lines[0].invoice, lines[0].customer, lines)

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
class Taken:
    """So many units that come back out of one order: the part of that number of a sale."""

    sale: Sale
    part: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Return:
    """A line that brings back some of what its customer bought, and what that is taken from."""

    line: Line
    taken: list[Taken]

    @property
    def lines(self) -> list[Line]:
        return [self.line]


Step: TypeAlias = Sale | Cancellation | Return


@dataclass(frozen=True, slots=True)
class Plan:
    """
    `steps` are in the order of the file, so what is brought back comes after its sale. `refused`
    says why of each line (by number) that is in no step.
    """

    articles: list[Article]
    customers: list[str]
    steps: list[Step]
    refused: dict[int, str]

    @classmethod
    def of(cls, reading: Reading) -> Self:
        refused = dict.fromkeys(reading.unreadable, UNREADABLE) | {
            line.number: reason for line in reading.lines if (reason := line.refusal)
        }
        goods = _by_invoice(line for line in reading.lines if line.number not in refused)
        steps: list[Step] = []
        undone = _undone(goods)
        history = _History({sale.invoice for sale in undone.values()})
        for invoice, lines in goods.items():
            if not lines[0].is_return:
                sale = Sale.of(lines)
                history.add(sale)
                steps.append(sale)
            elif invoice in undone:
                history.remove(undone[invoice])
                steps.append(Cancellation(invoice, undone[invoice], lines))
            else:
                for line in lines:
                    if taken := history.taken_by(line):
                        steps.append(Return(line, taken))
                    else:
                        refused[line.number] = history.refusal(line)
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

    @property
    def returns(self) -> list[Return]:
        return [step for step in self.steps if isinstance(step, Return)]

    @property
    def credit_customers(self) -> list[str]:
        """Those who pay by store credit."""
        buyers = {sale.customer for sale in self.sales}
        return sorted(filter(pays_by_credit, buyers))


def _by_invoice(lines: Iterable[Line]) -> dict[str, list[Line]]:
    invoices: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        invoices[line.invoice].append(line)
    return invoices


def _undone(goods: Mapping[str, list[Line]]) -> dict[str, Sale]:
    """
    By the invoice that brings exactly its goods back, each sale that is undone as a whole: the
    latest to that customer that stands until then.
    """
    standing: dict[str, list[Sale]] = defaultdict(list)
    undone = {}
    for invoice, lines in goods.items():
        customer = lines[0].customer
        if not lines[0].is_return:
            standing[customer].append(Sale.of(lines))
        elif customer != GUEST:
            for sale in reversed(standing[customer]):
                if units(sale.lines) == units(lines):
                    standing[customer].remove(sale)
                    undone[invoice] = sale
                    break
    return undone


@dataclass(frozen=True, slots=True)
class _Parcel:
    """An order, the part of that number of a sale, with the units of it that have not come back."""

    sale: Sale
    part: int
    left: Counter[str]


@dataclass(slots=True)
class _History:
    """
    Of each customer, the sales so far that still stand, and the orders of those that stand to the
    end, which are not `undone`; both the oldest first.
    """

    undone: Container[str]
    standing: dict[str, list[Sale]] = field(default_factory=lambda: defaultdict(list))
    parcels: dict[str, list[_Parcel]] = field(default_factory=lambda: defaultdict(list))

    def add(self, sale: Sale) -> None:
        self.standing[sale.customer].append(sale)
        if sale.invoice not in self.undone:
            self.parcels[sale.customer] += [
                _Parcel(sale, part, units(lines)) for part, lines in enumerate(sale.parts, start=1)
            ]

    def remove(self, sale: Sale) -> None:
        self.standing[sale.customer].remove(sale)

    def taken_by(self, returned: Line) -> list[Taken]:
        """
        What the line takes from the orders of that customer, and nothing if they do not hold it.

        The latest order that holds enough gives it all; if none does, each gives what it can.
        """
        if returned.customer == GUEST:
            return []
        wanted, sku = -returned.quantity, returned.sku
        parcels = self.parcels[returned.customer][::-1]
        enough = [parcel for parcel in parcels if parcel.left[sku] >= wanted]
        chosen = enough[:1] or parcels
        if sum(parcel.left[sku] for parcel in chosen) < wanted:
            return []
        taken = []
        for parcel in chosen:
            if quantity := min(wanted, parcel.left[sku]):
                parcel.left[sku] -= quantity
                wanted -= quantity
                taken.append(Taken(parcel.sale, parcel.part, quantity))
        return taken

    def refusal(self, returned: Line) -> str:
        """Why this line, whose invoice as a whole undoes no sale, takes nothing from any."""
        if returned.customer == GUEST:
            return NO_CUSTOMER
        sales = self.standing[returned.customer]
        was_bought = any(line.sku == returned.sku for sale in sales for line in sale.lines)
        return MORE if was_bought else NOT_BOUGHT


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
