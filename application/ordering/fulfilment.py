from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field

from application.identity.actor import Actor
from application.ordering.access import order_of
from application.ordering.cancelling import cancel
from application.ordering.ports import OrderingWork
from application.ordering.telling import Telling, became
from application.shared.clock import Clock
from application.shared.errors import unchanged_since
from domain.identity.user import Permission
from domain.ordering.order import Order, OrderId
from domain.ordering.status import InvalidTransition, OrderStatus
from domain.shared.errors import DomainError, Forbidden, InvalidValue


@dataclass(frozen=True, slots=True)
class Action:
    """A transition that the table has from here; `reason` is why it is not for who asks."""

    to: OrderStatus
    allowed: bool
    reason: str | None


def refusal(actor: Actor, now: OrderStatus, to: OrderStatus) -> DomainError | None:
    """Why this actor, who may see the order, may not move it there; None where they may."""
    staff = actor.may(Permission.MANAGE_ORDERS)
    if not staff and to is not OrderStatus.CANCELLED:
        return Forbidden("customers cannot do this")
    if to not in now.next:
        return InvalidTransition(now, to)
    if not staff and now is not OrderStatus.PENDING:
        return Forbidden("customers may cancel only while the order is pending")
    return None


def actions(actor: Actor, now: OrderStatus) -> Sequence[Action]:
    """What can happen next, as the guard that decides sees it."""
    found = [(to, refusal(actor, now, to)) for to in now.next]
    return [Action(to, error is None, None if error is None else str(error)) for to, error in found]


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """What happens to an order once it is placed."""

    begin: Callable[[], OrderingWork]
    clock: Clock
    tell: Telling = field(default_factory=Telling)

    async def move(
        self,
        actor: Actor,
        id: OrderId,
        to: OrderStatus,
        *,
        reason: str | None = None,
        tracking_number: str | None = None,
        expected: Container[int] | None = None,
    ) -> Order:
        """Along the table of transitions, as far as this actor may; see `cancel` for that."""
        if tracking_number is not None and to is not OrderStatus.SHIPPED:
            raise InvalidValue("tracking_number", "belongs to a shipment")
        async with self.begin() as work:
            order = await order_of(actor, work, id)
            unchanged_since(expected, order)
            if error := refusal(actor, order.status, to):
                raise error
            by, at, refund = actor.author, self.clock(), None
            if to is OrderStatus.CONFIRMED:
                order.confirm(reason, by=by, at=at)
            elif to is OrderStatus.SHIPPED:
                order.ship(reason, tracking_number=tracking_number, by=by, at=at)
            elif to is OrderStatus.DELIVERED:
                order.deliver(reason, by=by, at=at)
            else:
                refund = await cancel(work, order, reason, by=by, at=at)
            await self.tell(work, order, *became(order, reason, refund), at=at)
            await work.commit()
        return order
