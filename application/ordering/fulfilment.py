from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from application.identity.actor import Actor
from application.ordering.ports import OrderingWork
from application.shared.clock import Clock
from application.shared.errors import unchanged_since
from domain.catalog.product import Product, ProductId
from domain.identity.user import Permission
from domain.ordering.order import Order, OrderId, OrderNotFound
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
        """Along the table of transitions, as far as this actor may; cancelling restocks."""
        if tracking_number is not None and to is not OrderStatus.SHIPPED:
            raise InvalidValue("tracking_number", "belongs to a shipment")
        async with self.begin() as work:
            order = await work.orders.get(id, lock=True)
            if order.customer_id != actor.id and not actor.may(Permission.MANAGE_ORDERS):
                raise OrderNotFound
            unchanged_since(expected, order)
            if error := refusal(actor, order.status, to):
                raise error
            by, at = actor.id, self.clock()
            if to is OrderStatus.CONFIRMED:
                order.confirm(reason, actor_id=by, at=at)
            elif to is OrderStatus.SHIPPED:
                order.ship(reason, tracking_number=tracking_number, actor_id=by, at=at)
            elif to is OrderStatus.DELIVERED:
                order.deliver(reason, actor_id=by, at=at)
            else:
                order.cancel(await _products_of(work, order), reason, actor_id=by, at=at)
            await work.commit()
        return order


async def _products_of(work: OrderingWork, order: Order) -> dict[ProductId, Product]:
    products = await work.products.lock_all(line.product_id for line in order.lines)
    return {ProductId(product.id): product for product in products}
