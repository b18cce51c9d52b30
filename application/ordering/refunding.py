from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from application.identity.actor import Actor
from application.ordering.access import order_of
from application.ordering.credit import credit_of
from application.ordering.ports import OrderingWork
from application.ordering.telling import Telling, refunded
from application.shared.clock import Clock
from domain.identity.user import Permission
from domain.ordering.order import OrderId
from domain.ordering.payment import Payment, PaymentId, PaymentMethod, PaymentNotFound
from domain.ordering.refund import Refund
from domain.shared.money import Money


@dataclass(frozen=True, slots=True)
class Refunding:
    """Money back: store credit into the account, the rest as staff have sent it outside."""

    begin: Callable[[], OrderingWork]
    clock: Clock
    tell: Telling = field(default_factory=Telling)

    async def refund(
        self,
        actor: Actor,
        id: OrderId,
        amount: Money | None = None,
        *,
        payment_id: PaymentId | None = None,
        reason: str,
    ) -> Refund:
        """Give back the amount, or all that was paid and is not back yet; of one payment or all."""
        async with self.begin() as work:
            order = await order_of(actor, work, id)
            actor.require(Permission.MANAGE_ORDERS)
            payments = await work.payments.of_order(id)
            if payment_id is not None:
                payments = _only(payments, payment_id)
            by_credit = any(payment.method is PaymentMethod.STORE_CREDIT for payment in payments)
            credit = await credit_of(work, order) if by_credit else None
            by, at = actor.author, self.clock()
            refund = Refund.of(order, payments, amount, reason, by=by, at=at)
            if credit:
                credit.give_back(refund, by=by, at=at)
            work.refunds.add(refund)
            await self.tell(work, order, refunded(order, refund.amount), at=at)
            await work.commit()
        return refund


def _only(payments: Sequence[Payment], id: PaymentId) -> Sequence[Payment]:
    chosen = [payment for payment in payments if payment.id == id]
    if not chosen:
        raise PaymentNotFound
    return chosen
