from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from application.identity.actor import Actor
from application.ordering.access import order_of
from application.ordering.ports import (
    Approved,
    NoVerdict,
    OrderingWork,
    PaymentGateway,
    Verdict,
)
from application.ordering.telling import Telling, paid, unpaid
from application.shared.clock import Clock
from application.shared.errors import TransientFailure
from application.shared.unit_of_work import Runner
from domain.identity.user import Permission
from domain.ordering.order import OrderId
from domain.ordering.payment import Payment, PaymentId, PaymentMethod, PaymentStatus
from domain.shared.money import Money

AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Charging:
    """
    Money that a provider collects: ask, wait, settle, and ask again where no answer came.

    Each step is a unit of work of its own, tried again by itself where the storage asks for it; the
    provider is called between them, never within, and never twice for one charge.
    """

    begin: Callable[[], OrderingWork]
    gateway: PaymentGateway
    run: Runner
    clock: Clock
    tell: Telling = field(default_factory=Telling)

    async def charge(self, actor: Actor, id: OrderId, amount: Money | None = None) -> Payment:
        """A payment, decided if the provider answers in time, and pending if not."""
        payment = await self.run(partial(self._ask, actor, id, amount))
        try:
            verdict = await self.gateway.charge(PaymentId(payment.id), payment.amount)
        except NoVerdict:
            return payment
        return await self.settle(actor, PaymentId(payment.id), verdict)

    async def settle(self, actor: Actor, id: PaymentId, verdict: Verdict) -> Payment:
        """Do what the provider says; the first verdict counts, whoever brings it."""
        return await self.run(partial(self._settle, actor, id, verdict))

    async def ask_again(self, actor: Actor, *, older_than: timedelta) -> int:
        """Settle what has been pending for so long, and tell how many are settled now."""
        actor.require(Permission.MANAGE_ORDERS)
        asked_before, settled, last = self.clock() - older_than, 0, None
        while ids := await self._pending(asked_before, last):
            for last in ids:
                with suppress(NoVerdict, TransientFailure):  # it stays pending, until the next time
                    await self.settle(actor, last, await self.gateway.verdict(last))
                    settled += 1
        return settled

    async def _ask(self, actor: Actor, id: OrderId, amount: Money | None) -> Payment:
        async with self.begin() as work:
            order = await order_of(actor, work, id)
            by, at = actor.author, self.clock()
            payment = Payment.of(order, amount, PaymentMethod.EXTERNAL, by=by, at=at)
            payment.ask(order, by=by, at=at)
            work.payments.add(payment)
            await work.commit()
        return payment

    async def _settle(self, actor: Actor, id: PaymentId, verdict: Verdict) -> Payment:
        async with self.begin() as work:
            asked = await work.payments.get(id)
            order = await order_of(actor, work, asked.order_id)
            # Whoever waited for the order has to look again at what became of the payment.
            payment = await work.payments.get(id, lock=True)
            if payment.status is PaymentStatus.PENDING:
                by, at, was = actor.author, self.clock(), order.status
                if isinstance(verdict, Approved):
                    payment.receive(order, reference=verdict.reference, by=by, at=at)
                    await self.tell(work, order, *paid(order, payment.amount, was=was), at=at)
                else:
                    payment.fail(order, verdict.reason, by=by, at=at)
                    await self.tell(work, order, unpaid(order, payment.amount), at=at)
                await work.commit()
        return payment

    async def _pending(
        self, asked_before: datetime, after: PaymentId | None
    ) -> Sequence[PaymentId]:
        async with self.begin() as work:
            return await work.payments.pending(asked_before=asked_before, after=after, most=AT_ONCE)
