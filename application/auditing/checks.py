"""What has to be true of a shop. Each storage looks for itself where it is not."""

from datetime import timedelta
from typing import Final

from application.auditing.queries import Check
from domain.catalog.category import DEEPEST
from domain.ordering.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderShipped,
)
from domain.ordering.status import TRANSITIONS, OrderStatus

STOCK: Final = Check(
    "stock",
    "stock is the sum of its movements",
    "has {stock} in stock, and movements that add up to {moved}",
)
SHORTAGE: Final = Check("shortage", "no stock is below zero", "has {stock} in stock")
CATEGORIES: Final = Check(
    "categories",
    f"no category lies below itself, nor more than {DEEPEST} deep",
    "is in a circle, or too deep",
)
# Some storages keep beside the products what they are found by.
INDEX: Final = Check(
    "index",
    "products are found by their own words and tags",
    "is not found by its {what}, or not by these alone",
)

LINES: Final = Check(
    "lines",
    "an order has lines, numbered from 1, each of at least one",
    "has {lines} lines, from {first} to {last}, the smallest of {quantity}",
)
TOTALS: Final = Check(
    "totals",
    "the total of an order is the sum of its lines",
    "has a total of {total} {currency}, and lines of {sum} {other}",
)
SOLD: Final = Check(
    "sold",
    "an order takes its lines from stock, and gives them back when it is cancelled",
    "has movements that differ from its lines by {quantity}",
)
STATUS: Final = Check(
    "status",
    "the history of an order is a legal path to its status",
    "is {status}, which is not where its history leads",
)

PAID: Final = Check(
    "paid",
    "what an order was paid is the sum of the payments that came",
    "was paid {paid} {currency}, and payments came to {sum} {other}",
)
REFUNDED: Final = Check(
    "refunded",
    "what an order has given back is the sum of its refunds",
    "has given back {refunded} {currency}, and refunds of {sum} {other}",
)
COVERED: Final = Check(
    "covered",
    "what is covered of an order is paid, or on its way",
    "has {covered} covered, with payments of {begun}, and {back} gone back",
)
OVERPAID: Final = Check(
    "overpaid",
    "no order is paid more than its total, nor gives back more than it was paid",
    "of {total} was paid {paid}, has given back {refunded}, and has {covered} covered",
)
PARTS: Final = Check(
    "parts",
    "a refund is the sum of its parts, each of a payment of that order",
    "is of {amount}, with {parts} parts that add up to {sum}",
)
RETURNED: Final = Check(
    "returned",
    "what went back of a payment is the sum of its parts in refunds",
    "has given back {refunded}, and parts of {sum}; {due_back} is due back",
)
CREDIT: Final = Check(
    "credit",
    "store credit is moved by a transfer of its own, between customer and house",
    "is one of the {what} that have not such a transfer",
)

TRANSFERS: Final = Check(
    "transfers",
    "what a transfer takes from one account it gives to another",
    "has {entries} entries in {accounts} accounts and {currencies} currencies that add up to {sum}",
)
BALANCES: Final = Check(
    "balances",
    "a balance is the sum of its entries",
    "has a balance of {balance} {currency}, and entries of {sum} {other}",
)
RUNNING: Final = Check(
    "running",
    "each entry is later than the one before, and leaves what they add up to",
    "leaves {balance_after} where {sum} is reached, or is not later than the one before",
)
DEBTS: Final = Check("debts", "only the house owes", "owes {balance}, and is a customer's")

EVENTS: Final = Check(
    "events",
    "every change that was recorded is one event, without a gap",
    "is one of the {what}, has recorded {sequence}, and has {events} events up to number {last}",
)
TOLD: Final = Check(
    "told",
    "every event is of something that is there, or was deleted",
    "is not there, and the last of its {events} events, {type}, has number {last}",
)
REFERENCES: Final = Check(
    "references",
    "nothing refers to what is not there",
    "refers by {what} to {missing}, which is not there",
)
TIMES: Final = Check("times", "no time is in the future", "{what} is {time}")
ANSWERS: Final = Check("answers", "every idempotency key has its answer", "has none")

CHECKS: Final = (
    *(STOCK, SHORTAGE, CATEGORIES, INDEX),
    *(LINES, TOTALS, SOLD, STATUS),
    *(PAID, REFUNDED, COVERED, OVERPAID, PARTS, RETURNED, CREDIT),
    *(TRANSFERS, BALANCES, RUNNING, DEBTS),
    *(EVENTS, TOLD, REFERENCES, TIMES, ANSWERS),
)

# Which event brings an order to which status, and which of them may follow which.
ARRIVALS: Final = {
    OrderStatus.PENDING: OrderPlaced.name,
    OrderStatus.CONFIRMED: OrderConfirmed.name,
    OrderStatus.SHIPPED: OrderShipped.name,
    OrderStatus.DELIVERED: OrderDelivered.name,
    OrderStatus.CANCELLED: OrderCancelled.name,
}
STEPS: Final = frozenset(
    (ARRIVALS[status], ARRIVALS[target])
    for status, targets in TRANSITIONS.items()
    for target in targets
)

# Clocks differ, and what happens to an account at once is dated one after the other.
AHEAD: Final = timedelta(minutes=5)
# Of what time tells about the past, all but these.
YET_TO_COME: Final = frozenset({"blocked_until", "expires_at"})
# What goes without a word once it is over: sessions that have expired.
GONE_SILENTLY: Final = ("session.",)
