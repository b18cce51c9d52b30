"""The bookkeeping must notice: every figure that a service could get wrong is made wrong here."""

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.replay.__main__ import parser, settle
from tests.replay.books import Books, compare, ledger_of
from tests.replay.invoices import read
from tests.replay.plan import Plan
from tests.replay.run import CANCELLED, PLACED, Account, Shelves, Traded
from tests.replay.shop import Order, Product, Timings
from tests.replay.small_month import SMALL_MONTH, write


@dataclass
class Month:
    """The small month, and what a service says of it that makes no mistake."""

    file: Path
    plan: Plan
    account: Account
    shelves: Shelves

    @property
    def books(self) -> Books:
        return compare(ledger_of(self.file), self.account, self.shelves, made=self.plan.stock)

    def order(self, invoice: str) -> Order:
        """The first order of that invoice."""
        return next(order for order in self.shelves.orders if order.invoice == invoice)

    def put(self, old: Order, new: Order) -> None:
        self.shelves.orders[self.shelves.orders.index(old)] = new


@pytest.fixture
def month(tmp_path: Path) -> Month:
    file = write(tmp_path / "month.csv.gz", SMALL_MONTH)
    plan = Plan.of(read(file))
    prices = {article.sku: article.price for article in plan.articles}
    account = Account(dict(plan.refused), {name: f"id of {name}" for name in plan.customers})
    undone = {step.sale.invoice for step in plan.cancellations}
    sold: Counter[str] = Counter()
    orders = []
    for sale in plan.sales:
        account.outcome |= {line.number: PLACED for line in sale.lines}
        for number, lines in enumerate(sale.parts):
            units: Counter[str] = Counter()
            for line in lines:
                units[line.sku] += line.quantity
            total = sum((prices[sku] * count for sku, count in units.items()), Decimal())
            order = Order(
                id=f"{sale.invoice}-{number}",
                customer_id=account.customer_ids[sale.customer],
                invoice=sale.invoice,
                status="cancelled" if sale.invoice in undone else "pending",
                total=total,
                sum_of_lines=total,
                units=units,
            )
            if order.status == "pending":
                sold.update(units)
            orders.append(order)
            account.order_ids.setdefault(sale.invoice, []).append(order.id)
    for step in plan.cancellations:
        account.outcome |= {line.number: CANCELLED for line in step.lines}
    products = [Product(a.sku, a.price, a.stock - sold[a.sku]) for a in plan.articles]
    return Month(file, plan, account, Shelves(products, [order.id for order in orders], orders))


def settled(month: Month) -> tuple[int, str]:
    """The exit code of the command, and what it prints."""
    printed = StringIO()
    chosen = parser().parse_args(
        ["--file", str(month.file), "--differences", str(month.file.with_name("differences.csv"))]
    )
    traded = Traded(month.account, month.shelves, Timings([0.1, 0.2], 0.0, 1.0), Counter())
    code = settle(chosen, month.plan, traded, Console(file=printed, width=120))
    return code, printed.getvalue()


def test_a_service_that_makes_no_mistake_adds_up(month: Month) -> None:
    books = month.books
    assert books.mistakes == []
    assert +books.sold == {"85123A": 9, "71053": 3}
    assert books.ledger.revenue == Decimal("33.935")
    assert books.revenue == Decimal("33.15")
    code, printed = settled(month)
    assert code == 0
    assert "Everything adds up" in printed


def test_the_differences_by_line_make_up_the_gap(month: Month) -> None:
    settled(month)
    with month.file.with_name("differences.csv").open(encoding="utf-8", newline="") as text:
        heading, *rows = csv.reader(text)
    assert heading[0] == "line"
    assert rows == [
        ["2", "536365", "85123A", "2", "2.95", "2.55", "-0.80"],
        ["5", "536366", "71053", "4", "3.395", "3.40", "0.020"],
        ["6", "536367", "71053", "3", "3.395", "3.40", "0.015"],
        ["7", "C536368", "71053", "-4", "3.395", "3.40", "-0.020"],
    ]
    assert sum(Decimal(row[-1]) for row in rows) == month.books.gap == Decimal("-0.785")


def less_stock(month: Month) -> None:
    product = month.shelves.products[0]
    month.shelves.products[0] = replace(product, stock=product.stock - 1)


def lost_product(month: Month) -> None:
    month.shelves.products.pop()


def product_twice(month: Month) -> None:
    month.shelves.products.append(month.shelves.products[0])


def unknown_product(month: Month) -> None:
    month.shelves.products.append(Product("47566", Decimal("4.95"), 0))


def dearer_product(month: Month) -> None:
    month.shelves.products[0] = replace(month.shelves.products[0], price=Decimal("2.95"))


def lost_order(month: Month) -> None:
    order = month.order("536367")
    month.shelves.orders.remove(order)
    month.shelves.listed.remove(order.id)


def order_in_no_list(month: Month) -> None:
    month.shelves.listed.remove(month.order("536367").id)


def order_listed_twice(month: Month) -> None:
    month.shelves.listed.append(month.order("536367").id)


def order_placed_twice(month: Month) -> None:
    again = replace(month.order("536367"), id="again")
    month.shelves.orders.append(again)
    month.shelves.listed.append(again.id)


def wrong_total(month: Month) -> None:
    order = month.order("536367")
    month.put(order, replace(order, total=order.total + 1))


def wrong_prices_in_an_order(month: Month) -> None:
    order = month.order("536367")
    month.put(order, replace(order, total=Decimal("9.99"), sum_of_lines=Decimal("9.99")))


def one_unit_more(month: Month) -> None:
    order = month.order("536367")
    month.put(order, replace(order, units=order.units + Counter({"71053": 1})))


def goods_swapped(month: Month) -> None:
    one, other = month.order("536367"), month.order("536382")
    month.put(one, replace(one, units=other.units))
    month.put(other, replace(other, units=one.units))


def another_customer(month: Month) -> None:
    order = month.order("536367")
    month.put(order, replace(order, customer_id=month.account.customer_ids["17850"]))


def not_cancelled(month: Month) -> None:
    order = month.order("536366")
    month.put(order, replace(order, status="pending"))


def cancelled_by_mistake(month: Month) -> None:
    order = month.order("536367")
    month.put(order, replace(order, status="cancelled"))


def cancelled_in_part(month: Month) -> None:
    order = month.order("536379")
    month.put(order, replace(order, status="pending"))


def line_dropped(month: Month) -> None:
    del month.account.outcome[3]


def line_sold_for_nothing(month: Month) -> None:
    month.account.outcome[3] = PLACED


def line_refused(month: Month) -> None:
    month.account.outcome[6] = "refused: insufficient-stock"


@pytest.mark.parametrize(
    ("mistake", "notice"),
    [
        (less_stock, "of 85123A 10 were there, 9 are sold, and 0 are left"),
        (lost_product, "product 22423 is listed 0 times"),
        (product_twice, "product 85123A is listed 2 times"),
        (unknown_product, "47566 costs 4.95, and None by the price rule"),
        (dearer_product, "85123A costs 2.95, and 2.55 by the price rule"),
        (lost_order, "of 71053 0 are sold, and 3 in the file"),
        (order_in_no_list, "order 536367-0 was acknowledged and is in no list"),
        (order_listed_twice, "order 536367-0 is in the list, and was not acknowledged so often"),
        (order_placed_twice, "order again is in the list, and was not acknowledged so often"),
        (wrong_total, "order 536367-0 says 11.20, and its lines say 10.20"),
        (wrong_prices_in_an_order, "revenue is off by -0.995, and the price rule explains -0.785"),
        (one_unit_more, "of 71053 4 are sold, and 3 in the file"),
        (goods_swapped, "invoice 536367 holds other goods than in the file"),
        (another_customer, "invoice 536367 belongs to another customer than in the file"),
        (not_cancelled, "invoice 536366 is not cancelled"),
        (cancelled_by_mistake, "invoice 536367 is not pending"),
        (cancelled_in_part, "invoice 536379 is not cancelled"),
        (line_dropped, "525 lines in the file, and 524 accounted for"),
        (line_sold_for_nothing, "line 3 is placed, and should not be"),
        (line_refused, "line 6 should be placed, and is refused: insufficient-stock"),
    ],
)
def test_a_mistake_is_noticed_and_fails_the_replay(
    month: Month, mistake: Callable[[Month], None], notice: str
) -> None:
    mistake(month)
    assert notice in month.books.mistakes
    code, printed = settled(month)
    assert code == 1
    assert "it does not add up" in printed
