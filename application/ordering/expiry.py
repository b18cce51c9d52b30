from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from application.identity.actor import Actor
from application.ordering.cancelling import cancel
from application.ordering.ports import OrderingWork
from application.ordering.telling import Telling, became
from application.shared.clock import Clock
from application.shared.unit_of_work import Runner
from domain.identity.user import Permission
from domain.ordering.order import OrderId
from domain.shared.errors import DomainError

AT_ONCE: Final = 100
_UNITS: Final = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
}


@dataclass(slots=True)
class Expired:
    """How many orders have ended, and the ids of those that could not be cancelled, with why."""

    orders: int = 0
    refused: dict[OrderId, DomainError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expiry:
    """The end of orders that nobody pays, each in a unit of work of its own."""

    begin: Callable[[], OrderingWork]
    run: Runner
    clock: Clock
    tell: Telling = field(default_factory=Telling)

    async def expire(self, actor: Actor, *, older_than: timedelta) -> Expired:
        """Cancel what was placed so long ago and is not even being paid."""
        actor.require(Permission.MANAGE_ORDERS)
        placed_before, done, last = self.clock() - older_than, Expired(), None
        reason = f"unpaid for {_spelled(older_than)}"
        while ids := await self._unpaid(placed_before, last):
            for last in ids:
                try:
                    done.orders += await self.run(partial(self._cancel, actor, last, reason))
                except DomainError as refusal:
                    done.refused[last] = refusal
        return done

    async def _unpaid(self, placed_before: datetime, after: OrderId | None) -> Sequence[OrderId]:
        async with self.begin() as work:
            return await work.orders.unpaid(placed_before=placed_before, after=after, most=AT_ONCE)

    async def _cancel(self, actor: Actor, id: OrderId, reason: str) -> bool:
        """Whether it is still to be done, and so was done."""
        async with self.begin() as work:
            order = await work.orders.get(id, lock=True)
            if order.is_unpaid:
                at = self.clock()
                refund = await cancel(work, order, reason, by=actor.author, at=at)
                await self.tell(work, order, *became(order, reason, refund), at=at)
                await work.commit()
                return True
        return False


def _spelled(time: timedelta) -> str:
    """In the largest unit of which it is a whole number."""
    unit = next((unit for unit, length in _UNITS.items() if not time % length), "second")
    number = time // _UNITS[unit]
    return f"{number} {unit}" + ("" if number == 1 else "s")
