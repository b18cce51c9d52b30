from collections.abc import Callable
from dataclasses import dataclass, field

from application.identity.actor import Actor
from application.ordering.access import order_of
from application.ordering.credit import credit_of
from application.ordering.ports import OrderingWork
from application.ordering.telling import Telling, paid
from application.shared.clock import Clock
from domain.identity.user import Permission
from domain.ordering.order import OrderId
from domain.ordering.payment import Payment, PaymentMethod
from domain.shared.errors import Forbidden
from domain.shared.money import Money


@dataclass(frozen=True, slots=True)
class Paying:
    """Money for an order: its owner's store credit, or what staff have got outside."""

    begin: Callable[[], OrderingWork]
    clock: Clock
    tell: Telling = field(default_factory=Telling)

    async def pay(
        self,
        actor: Actor,
        id: OrderId,
        method: PaymentMethod,
        amount: Money | None = None,
        *,
        reference: str | None = None,
    ) -> Payment:
        """Pay the amount, or all that is due. What is paid in full is confirmed with it."""
        async with self.begin() as work:
            order = await order_of(actor, work, id)
            if method is PaymentMethod.EXTERNAL and not actor.may(Permission.MANAGE_ORDERS):
                raise Forbidden("what was paid outside is for staff to enter")
            credit = await credit_of(work, order) if method is PaymentMethod.STORE_CREDIT else None
            by, at, was = actor.author, self.clock(), order.status
            payment = Payment.of(order, amount, method, reference=reference, by=by, at=at)
            transfer_id = credit.spend(payment.amount, by=by, at=at) if credit else None
            payment.receive(order, transfer_id=transfer_id, by=by, at=at)
            work.payments.add(payment)
            await self.tell(work, order, *paid(order, payment.amount, was=was), at=at)
            await work.commit()
        return payment
