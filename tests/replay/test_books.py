"""The bookkeeping must notice: every figure that a service could get wrong is made wrong here."""

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console

from tests.replay.__main__ import parser, settle
from tests.replay.answers import Figures, Order, Payment, Product, Takings
from tests.replay.books import Books, compare
from tests.replay.invoices import read
from tests.replay.ledger import ledger_of
from tests.replay.plan import Plan
from tests.replay.run import Shelves, Traded
from tests.replay.shop import INTERVALS, Timings
from tests.replay.small_month import SMALL_MONTH, write
from tests.replay.trading import CANCELLED, PLACED, REFUNDED, Account

# Of each order of the small month the payments: the method, the amount, and what of it went back
# for which invoice. What is paid last goes back first.
PAYMENTS: Final[dict[str, list[tuple[str, str, dict[str, str]]]]] = {
    "536365-1": [
        ("store_credit", "10.20", {}),
        ("external", "10.20", {"C536369": "2.55", "C536380": "2.55"}),
    ],
    "536366-1": [
        ("store_credit", "8.07", {"C536368": "8.07"}),
        ("external", "8.08", {"C536368": "8.08"}),
    ],
    "536367-1": [("external", "10.20", {})],
    "536379-1": [],  # by their number they are undone before they are paid
    "536379-2": [],
    "536382-1": [("external", "2.55", {})],
    "536383-1": [
        ("store_credit", "8.50", {"C536385": "5.10", "C536386": "3.40"}),
        ("external", "8.50", {"C536385": "8.50"}),
    ],
    "536384-1": [
        ("store_credit", "3.40", {"C536385": "3.40"}),
        ("external", "3.40", {"C536385": "3.40"}),
    ],
    "536387-1": [("external", "28.90", {"C536388": "28.90"})],
}
LEFT: Final = Decimal("19.97")  # of the store credit of 17850: 8.07 + 8.50 + 3.40
SOLD: Final = Takings(5, Decimal("56.95"))


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

    def put_payment(self, order_id: str, place: int, new: Payment) -> None:
        self.shelves.payments[order_id][place - 1] = new

    def put_figures(self, new: Figures) -> None:
        self.shelves = replace(self.shelves, figures=new)


@pytest.fixture
def month(tmp_path: Path) -> Month:
    file = write(tmp_path / "month.csv.gz", SMALL_MONTH)
    plan = Plan.of(read(file))
    prices = {article.sku: article.price for article in plan.articles}
    account = Account(
        outcome=dict(plan.refused),
        customer_ids={name: f"id of {name}" for name in plan.customers},
        due_back={
            "536366-1": Decimal("8.08"),
            "536379-1": Decimal(),
            "536379-2": Decimal(),
            "536387-1": Decimal("28.90"),
        },
    )
    payments = {order: list(map(payment_of, made)) for order, made in PAYMENTS.items()}
    sold: Counter[str] = Counter()
    orders = []
    for sale in plan.sales:
        account.outcome |= {line.number: PLACED for line in sale.lines}
        for part, lines in enumerate(sale.parts, start=1):
            id = f"{sale.invoice}-{part}"
            units: Counter[str] = Counter()
            for line in lines:
                units[line.sku] += line.quantity
            total = sum((prices[sku] * count for sku, count in units.items()), Decimal())
            order = Order(
                id=id,
                customer_id=account.customer_ids[sale.customer],
                invoice=sale.invoice,
                status="cancelled" if id in account.due_back else "delivered",
                total=total,
                paid=sum((payment.amount for payment in payments[id]), Decimal()),
                refunded=sum((payment.refunded for payment in payments[id]), Decimal()),
                tracking_number=None if id in account.due_back else f"RM{id}",
                sum_of_lines=total,
                units=units,
                prices={sku: prices[sku] for sku in units},
            )
            if order.status == "delivered":
                sold.update(units)
            orders.append(order)
            account.order_ids.setdefault(sale.invoice, []).append(id)
    for step in plan.cancellations:
        account.outcome |= {line.number: CANCELLED for line in step.lines}
    for each in plan.returns:
        account.outcome[each.line.number] = REFUNDED
    shelves = Shelves(
        products=[Product(a.sku, a.price, a.stock - sold[a.sku]) for a in plan.articles],
        listed=[order.id for order in orders],
        orders=orders,
        payments=payments,
        balances=[("id of 17850", LEFT), (None, -LEFT)],
        figures=Figures(
            placed=replace(SOLD, orders=9),
            by_status={"pending": 0, "delivered": 5, "cancelled": 4},
            series=dict.fromkeys(INTERVALS, SOLD),
            best=[
                ("id of 17850", Takings(3, Decimal("44.20"))),
                ("id of ", Takings(1, Decimal("10.20"))),
                ("id of 12583", Takings(1, Decimal("2.55"))),
            ],
        ),
    )
    return Month(file, plan, account, shelves)


def payment_of(row: tuple[str, str, dict[str, str]]) -> Payment:
    method, amount, refunds = row
    given_back = {reason: Decimal(part) for reason, part in refunds.items()}
    refunded = sum(given_back.values(), Decimal())
    return Payment(method, "succeeded", Decimal(amount), refunded, Decimal(), given_back)


def settled(month: Month, *findings: str) -> tuple[int, str]:
    """The exit code of the command, and what it prints."""
    printed = StringIO()
    chosen = parser().parse_args(
        ["--file", str(month.file), "--differences", str(month.file.with_name("differences.csv"))]
    )
    traded = Traded(month.account, month.shelves, Timings([0.1, 0.2], 0.0, 1.0), Counter())
    code = settle(chosen, month.plan, traded, Console(file=printed, width=120), findings)
    return code, printed.getvalue()


def test_a_service_that_makes_no_mistake_adds_up(month: Month) -> None:
    books = month.books
    assert books.mistakes == []
    assert +books.sold == {"85123A": 9, "71053": 10}
    assert books.ledger.revenue == Decimal("57.700")
    assert books.revenue == SOLD.revenue
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
        ["526", "536383", "71053", "5", "3.395", "3.40", "0.025"],
        ["527", "536384", "71053", "2", "3.395", "3.40", "0.010"],
        ["532", "536387", "71053", "1", "3.395", "3.40", "0.005"],
        ["7", "C536368", "71053", "-4", "3.395", "3.40", "-0.020"],
        ["534", "C536388", "71053", "-1", "3.395", "3.40", "-0.005"],
    ]
    assert sum(Decimal(row[-1]) for row in rows) == month.books.gap == Decimal("-0.750")


def test_what_the_database_itself_gets_wrong_fails_the_replay(month: Month) -> None:
    code, printed = settled(month, "tradepost verify ended with 1: stock of 85123A")
    assert code == 1
    assert "stock of 85123A" in printed
    assert "1 mistakes: it does not add up" in printed


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
    month.put(order, replace(order, status="delivered"))


def cancelled_by_mistake(month: Month) -> None:
    order = month.order("536367")
    month.put(order, replace(order, status="cancelled"))


def cancelled_in_part(month: Month) -> None:
    order = month.order("536379")
    month.put(order, replace(order, status="delivered"))


def not_paid(month: Month) -> None:
    order = month.order("536367")
    month.put(order, replace(order, paid=Decimal()))


def refunded_by_mistake(month: Month) -> None:
    order = month.order("536367")
    month.put(order, replace(order, refunded=Decimal("3.40")))


def cheaper_order(month: Month) -> None:
    order = month.order("536367")
    month.put(order, replace(order, total=Decimal("3.40")))


def never_sent(month: Month) -> None:
    order = month.order("536367")
    month.put(order, replace(order, tracking_number=None))


def payment_lost(month: Month) -> None:
    month.shelves.payments["536365-1"].pop()


def paid_otherwise(month: Month) -> None:
    payment = month.shelves.payments["536367-1"][0]
    month.put_payment("536367-1", 1, replace(payment, method="store_credit"))


def payment_undecided(month: Month) -> None:
    payment = month.shelves.payments["536367-1"][0]
    month.put_payment("536367-1", 1, replace(payment, status="pending"))


def payment_of_a_penny_less(month: Month) -> None:
    payment = month.shelves.payments["536366-1"][1]
    month.put_payment("536366-1", 2, replace(payment, amount=Decimal("8.07")))


def credit_given_back_first(month: Month) -> None:
    credit, outside = month.shelves.payments["536365-1"]
    month.put_payment(
        "536365-1", 1, replace(credit, refunded=outside.refunded, refunds=outside.refunds)
    )
    month.put_payment("536365-1", 2, replace(outside, refunded=Decimal(), refunds={}))


def refunded_for_something_else(month: Month) -> None:
    payment = month.shelves.payments["536365-1"][1]
    refunds = {"C536369": Decimal("5.10")}
    month.put_payment("536365-1", 2, replace(payment, refunds=refunds))


def refund_with_other_parts(month: Month) -> None:
    payment = month.shelves.payments["536384-1"][1]
    refunds = {"C536385": Decimal("3.39")}
    month.put_payment("536384-1", 2, replace(payment, refunds=refunds))


def nothing_due_back(month: Month) -> None:
    month.account.due_back["536387-1"] = Decimal()


def still_due_back(month: Month) -> None:
    payment = month.shelves.payments["536387-1"][0]
    month.put_payment("536387-1", 1, replace(payment, due_back=Decimal("28.90")))


def credit_lost(month: Month) -> None:
    month.shelves.balances[0] = ("id of 17850", LEFT - 1)


def account_lost(month: Month) -> None:
    del month.shelves.balances[0]


def account_twice(month: Month) -> None:
    month.shelves.balances.append(("id of 17850", LEFT))


def credit_out_of_nothing(month: Month) -> None:
    month.shelves.balances[1] = (None, 1 - LEFT)


def account_of_a_stranger(month: Month) -> None:
    month.shelves.balances.append(("id of 12583", Decimal()))


def order_not_reported(month: Month) -> None:
    figures = month.shelves.figures
    month.put_figures(replace(figures, placed=replace(figures.placed, orders=8)))


def cancelled_orders_reported_as_revenue(month: Month) -> None:
    figures = month.shelves.figures
    month.put_figures(replace(figures, placed=replace(figures.placed, revenue=Decimal("99.99"))))


def wrong_statuses_reported(month: Month) -> None:
    by_status = {"pending": 1, "delivered": 4, "cancelled": 4}
    month.put_figures(replace(month.shelves.figures, by_status=by_status))


def hole_in_the_series(month: Month) -> None:
    figures = month.shelves.figures
    month.put_figures(replace(figures, series=figures.series | {"week": Takings(4, Decimal(50))}))


def another_customer_is_best(month: Month) -> None:
    figures = month.shelves.figures
    month.put_figures(replace(figures, best=figures.best[1:]))


def line_not_refunded(month: Month) -> None:
    month.account.outcome[9] = "refused: return of a part of an order"


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
        (lost_order, "of 71053 7 are sold, and 10 in the file"),
        (order_in_no_list, "order 536367-1 was acknowledged and is in no list"),
        (order_listed_twice, "order 536367-1 is in the list, and was not acknowledged so often"),
        (order_placed_twice, "order again is in the list, and was not acknowledged so often"),
        (wrong_total, "order 536367-1 says 11.20, and its lines say 10.20"),
        (wrong_prices_in_an_order, "revenue is off by -0.960, and the price rule explains -0.750"),
        (one_unit_more, "of 71053 11 are sold, and 10 in the file"),
        (goods_swapped, "invoice 536367 holds other goods than in the file"),
        (another_customer, "invoice 536367 belongs to another customer than in the file"),
        (not_cancelled, "invoice 536366 is not cancelled"),
        (cancelled_by_mistake, "invoice 536367 is not delivered"),
        (cancelled_in_part, "invoice 536379 is not cancelled"),
        (not_paid, "order 536367-1: paid is 0, and should be 10.20"),
        (refunded_by_mistake, "order 536367-1: refunded is 3.40, and should be 0"),
        (cheaper_order, "order 536367-1: total is 3.40, and should be 10.20"),
        (never_sent, "order 536367-1: tracking number is None, and should be RM536367-1"),
        (
            payment_lost,
            "order 536365-1: payment 2 is None, and should be succeeded, external",
        ),
        (
            paid_otherwise,
            "order 536367-1: payment 1 is succeeded, store_credit,"
            " and should be succeeded, external",
        ),
        (
            payment_undecided,
            "order 536367-1: payment 1 is pending, external, and should be succeeded, external",
        ),
        (
            payment_of_a_penny_less,
            "order 536366-1: amount of payment 2 is 8.07, and should be 8.08",
        ),
        (
            credit_given_back_first,
            "order 536365-1: refunded of payment 1 is 5.10, and should be 0.00",
        ),
        (
            refunded_for_something_else,
            "order 536365-1: refunded for C536380 is None, and should be 2.55",
        ),
        (
            refund_with_other_parts,
            "order 536384-1: refunded for C536385 is 6.79, and should be 6.80",
        ),
        (
            nothing_due_back,
            "order 536387-1: due back when cancelled is 0, and should be 28.90",
        ),
        (
            still_due_back,
            "order 536387-1: due back of payment 1 is 28.90, and should be 0",
        ),
        (credit_lost, "balance of id of 17850 is 18.97, and should be 19.97"),
        (account_lost, "balance of id of 17850 is None, and should be 19.97"),
        (account_twice, "the account of id of 17850 is listed 2 times"),
        (credit_out_of_nothing, "balance of the shop is -18.97, and should be -19.97"),
        (account_of_a_stranger, "balance of id of 12583 is 0, and should be None"),
        (order_not_reported, "the reports: orders is 8, and should be 9"),
        (
            cancelled_orders_reported_as_revenue,
            "the reports: revenue is 99.99, and should be 56.95",
        ),
        (wrong_statuses_reported, "the reports: orders pending is 1, and should be None"),
        (
            hole_in_the_series,
            "the reports: takings by week is 50 for 4 orders, and should be 56.95 for 5 orders",
        ),
        (
            another_customer_is_best,
            "the reports: best customer 1 is id of  with 10.20 for 1 orders,"
            " and should be id of 17850 with 44.20 for 3 orders",
        ),
        (
            line_not_refunded,
            "line 9 should be refunded, and is refused: return of a part of an order",
        ),
        (line_dropped, "535 lines in the file, and 534 accounted for"),
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
