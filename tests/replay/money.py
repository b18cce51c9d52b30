"""Does the money add up? What each order was paid and paid back, the store credit, the reports."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from tests.replay.answers import Figures, Order, Payment, Takings
from tests.replay.ledger import Bill
from tests.replay.run import BEST_CUSTOMERS, Shelves
from tests.replay.shop import INTERVALS
from tests.replay.terms import pays_by_credit, tracking_number
from tests.replay.trading import Account

SHOP: Final = "the shop"

# What is said of something, by what it is about.
Said: TypeAlias = dict[str, Any]


def of_bills(bills: list[Bill], account: Account, shelves: Shelves) -> Iterator[str]:
    """Each order is paid, sent and paid back as its bill says."""
    orders = {order.id: order for order in shelves.orders}
    for bill in bills:
        invoice, part = bill.order
        for order_id in account.order_ids.get(invoice, [])[part - 1 : part]:
            if order_id in orders:
                payments = shelves.payments.get(order_id, [])
                said = _said_of(orders[order_id], payments, account.due_back.get(order_id))
                yield from _unlike(f"order {order_id}: ", said, _expected_of(bill))


def _said_of(order: Order, payments: list[Payment], due_back: Decimal | None) -> Said:
    return {
        "total": order.total,
        "paid": order.paid,
        "refunded": order.refunded,
        "tracking number": order.tracking_number,
        "due back when cancelled": due_back,
        **_of_payments(payments),
        **_for_each("refunded for", _sent_back(payments)),
    }


def _expected_of(bill: Bill) -> Said:
    outside, credit = bill.refunded_outside, bill.refunded_as_credit
    payments = [
        Payment("store_credit", "succeeded", bill.credit, credit, Decimal(), {}),
        Payment("external", "succeeded", bill.outside, outside, Decimal(), {}),
    ]
    return {
        "total": bill.total,
        "paid": bill.paid,
        "refunded": bill.refunded,
        "tracking number": None if bill.is_undone else tracking_number(*bill.order),
        "due back when cancelled": bill.outside if bill.is_undone else None,
        **_of_payments([payment for payment in payments if payment.amount]),
        **_for_each("refunded for", bill.sent_back),
    }


def _of_payments(payments: list[Payment]) -> Said:
    said: Said = {}
    for place, payment in enumerate(payments, start=1):
        said |= {
            f"payment {place}": f"{payment.status}, {payment.method}",
            f"amount of payment {place}": payment.amount,
            f"refunded of payment {place}": payment.refunded,
            f"due back of payment {place}": payment.due_back,
        }
    return said


def _sent_back(payments: list[Payment]) -> dict[str, Decimal]:
    """What went back of all the payments, for each reason."""
    sent_back: dict[str, Decimal] = defaultdict(Decimal)
    for payment in payments:
        for reason, amount in payment.refunds.items():
            sent_back[reason] += amount
    return sent_back


def of_credit(bills: list[Bill], account: Account, shelves: Shelves) -> Iterator[str]:
    """What was put into an account is spent; what came back is left, and the shop owes it."""
    expected: dict[str | None, Decimal] = {
        account.customer_ids.get(customer): _credit_left(bills, customer)
        for customer in {bill.customer for bill in bills}
        if pays_by_credit(customer)
    }
    if any(bill.credit for bill in bills):
        expected[None] = -sum(expected.values(), Decimal())
    for owner, count in Counter(owner for owner, _ in shelves.balances).items():
        if count > 1:
            yield f"the account of {owner or SHOP} is listed {count} times"
    yield from _unlike(
        "",
        _for_each("balance of", {owner or SHOP: left for owner, left in shelves.balances}),
        _for_each("balance of", {owner or SHOP: left for owner, left in expected.items()}),
    )


def _credit_left(bills: list[Bill], customer: str) -> Decimal:
    of_customer = (bill.refunded_as_credit for bill in bills if bill.customer == customer)
    return sum(of_customer, Decimal())


def of_figures(bills: list[Bill], account: Account, figures: Figures) -> Iterator[str]:
    """The service's reports say what the file says."""
    sold = [bill for bill in bills if not bill.is_undone]
    takings = Takings(len(sold), _revenue(sold))
    statuses = Counter(delivered=len(sold), cancelled=len(bills) - len(sold))
    yield from _unlike(
        "the reports: ",
        {
            "orders": figures.placed.orders,
            "revenue": figures.placed.revenue,
            **_for_each("orders", +Counter(figures.by_status)),
            **_for_each("takings by", figures.series),
            **_ranked(figures.best),
        },
        {
            "orders": len(bills),
            "revenue": takings.revenue,
            **_for_each("orders", +statuses),
            **_for_each("takings by", dict.fromkeys(INTERVALS, takings)),
            **_ranked(_best(sold, account)),
        },
    )


def _best(sold: list[Bill], account: Account) -> list[tuple[str, Takings]]:
    of_customers: dict[str, list[Bill]] = defaultdict(list)
    for bill in sold:
        of_customers[account.customer_ids.get(bill.customer, bill.customer)].append(bill)
    spent = {id: Takings(len(bills), _revenue(bills)) for id, bills in of_customers.items()}
    ranked = sorted(spent.items(), key=lambda each: (-each[1].revenue, each[0]))
    return ranked[:BEST_CUSTOMERS]


def _ranked(best: list[tuple[str, Takings]]) -> Said:
    texts = (f"{id} with {takings}" for id, takings in best)
    return _for_each("best customer", dict(enumerate(texts, start=1)))


def _revenue(bills: list[Bill]) -> Decimal:
    return sum((bill.total for bill in bills), Decimal())


def _for_each(what: str, figures: Mapping[Any, Any]) -> Said:
    return {f"{what} {name}": figure for name, figure in figures.items()}


def _unlike(subject: str, said: Said, expected: Said) -> Iterator[str]:
    for what in dict.fromkeys((*said, *expected)):
        if said.get(what) != expected.get(what):
            yield f"{subject}{what} is {said.get(what)}, and should be {expected.get(what)}"
