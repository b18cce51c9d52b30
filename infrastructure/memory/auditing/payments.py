from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from application.auditing import checks
from domain.accounts.account import Account
from domain.accounts.transfer import Transfer, TransferId
from domain.ordering.order import Order
from domain.ordering.payment import Payment, PaymentMethod, PaymentStatus
from domain.ordering.refund import Refund, RefundPart
from domain.ordering.status import OrderStatus
from infrastructure.memory.auditing.rules import Offenders, Rule, sums_up
from infrastructure.memory.database import MemoryDatabase


def _orders(database: MemoryDatabase) -> Collection[UUID]:
    return database.rows[Order]


def _payments_of(database: MemoryDatabase, order: Order) -> list[Payment]:
    return [payment for payment in database.all(Payment) if payment.order_id == order.id]


def _refunds_of(database: MemoryDatabase, order: Order) -> list[Refund]:
    return [refund for refund in database.all(Refund) if refund.order_id == order.id]


def _paid(database: MemoryDatabase, _: datetime) -> Offenders:
    for order in database.all(Order):
        received = [
            payment.amount
            for payment in _payments_of(database, order)
            if payment.status is PaymentStatus.SUCCEEDED
        ]
        yield from sums_up(checks.PAID, order.id, ("paid", order.paid), received)


def _refunded(database: MemoryDatabase, _: datetime) -> Offenders:
    for order in database.all(Order):
        amounts = [refund.amount for refund in _refunds_of(database, order)]
        yield from sums_up(checks.REFUNDED, order.id, ("refunded", order.refunded), amounts)


def _covered(database: MemoryDatabase, _: datetime) -> Offenders:
    for order in database.all(Order):
        begun = sum(
            payment.amount.minor
            for payment in _payments_of(database, order)
            if payment.status is not PaymentStatus.FAILED
        )
        back = sum(refund.amount.minor for refund in _refunds_of(database, order))
        covered = order.covered.minor
        # What goes back is due again only as long as the order is pending.
        most = begun - back if order.status is OrderStatus.PENDING else begun
        if not begun - back <= covered <= most:
            yield checks.COVERED.finding(order.id, covered=covered, begun=begun, back=back)


def _overpaid(database: MemoryDatabase, _: datetime) -> Offenders:
    for order in database.all(Order):
        total, paid, back, covered = (
            money.minor for money in (order.total, order.paid, order.refunded, order.covered)
        )
        if not (0 <= back <= paid and paid - back <= total and 0 <= covered <= total):
            yield checks.OVERPAID.finding(
                order.id, total=total, paid=paid, refunded=back, covered=covered
            )


def _parts(database: MemoryDatabase, _: datetime) -> Offenders:
    for refund in database.all(Refund):
        parts = refund.parts
        sum_ = sum(part.amount.minor for part in parts)
        places = sorted(part.position for part in parts)
        paid = [database.get(Payment, part.payment_id) for part in parts]
        if (
            not parts
            or sum_ != refund.amount.minor
            or places != [*range(1, len(parts) + 1)]
            or any(payment and payment.order_id != refund.order_id for payment in paid)
            or any(part.amount.currency != refund.amount.currency for part in parts)
        ):
            yield checks.PARTS.finding(
                refund.id, amount=refund.amount.minor, parts=len(parts), sum=sum_
            )


def _returned(database: MemoryDatabase, _: datetime) -> Offenders:
    parts: dict[UUID, list[RefundPart]] = defaultdict(list)
    for part in _all_parts(database):
        parts[part.payment_id].append(part)
    for payment in database.all(Payment):
        sum_ = sum(part.amount.minor for part in parts[payment.id])
        is_here = payment.status is PaymentStatus.SUCCEEDED
        refunded, due_back = payment.refunded.minor, payment.due_back.minor
        kept = (payment.amount.minor if is_here else 0) - refunded
        order = database.get(Order, payment.order_id)
        is_owed = (
            order is not None
            and order.status is OrderStatus.CANCELLED
            and payment.method is PaymentMethod.EXTERNAL
        )
        if (
            refunded != sum_
            or any(part.method is not payment.method for part in parts[payment.id])
            or kept < 0
            or not 0 <= due_back <= (kept if is_owed else 0)
        ):
            yield checks.RETURNED.finding(
                payment.id, refunded=refunded, sum=sum_, due_back=due_back
            )


def _all_parts(database: MemoryDatabase) -> list[RefundPart]:
    return [part for refund in database.all(Refund) for part in refund.parts]


def _of_credit(database: MemoryDatabase) -> list[Payment | RefundPart]:
    return [*database.all(Payment), *_all_parts(database)]


def _credit(database: MemoryDatabase, _: datetime) -> Offenders:
    uses = Counter(one.transfer_id for one in _of_credit(database))
    for payment in database.all(Payment):
        order = database.get(Order, payment.order_id)
        if not _fits(database, payment, order, uses, customer=1):
            yield checks.CREDIT.finding(payment.id, what="payments")
    for refund in database.all(Refund):
        order = database.get(Order, refund.order_id)
        for part in refund.parts:
            if not _fits(database, part, order, uses, customer=2):
                yield checks.CREDIT.finding(part.id, what="refund_parts")


def _fits(
    database: MemoryDatabase,
    one: Payment | RefundPart,
    order: Order | None,
    uses: Counter[TransferId | None],
    *,
    customer: int,
) -> bool:
    """Whether store credit has a transfer of its own that fits, and anything else has none."""
    transfer = database.get(Transfer, one.transfer_id)
    if one.method is not PaymentMethod.STORE_CREDIT:
        return one.transfer_id is None
    if transfer is None or order is None or uses[one.transfer_id] != 1:
        return False
    amounts = {entry.position: entry.amount for entry in transfer.entries}
    accounts = {
        entry.position: database.get(Account, entry.account_id) for entry in transfer.entries
    }
    owners = {place: account.owner_id for place, account in accounts.items() if account}
    house = 3 - customer
    return amounts == {1: one.amount * -1, 2: one.amount} and owners == {
        customer: order.customer_id,
        house: None,
    }


RULES: Final = (
    Rule(checks.PAID, _orders, _paid),
    Rule(checks.REFUNDED, _orders, _refunded),
    Rule(checks.COVERED, _orders, _covered),
    Rule(checks.OVERPAID, _orders, _overpaid),
    Rule(checks.PARTS, lambda database: database.rows[Refund], _parts),
    Rule(checks.RETURNED, lambda database: database.rows[Payment], _returned),
    Rule(checks.CREDIT, _of_credit, _credit),
)
