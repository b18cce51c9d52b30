from dataclasses import dataclass, replace

from application.identity.actor import Actor
from application.ordering.queries import OrderDetails, OrderFilter, OrderQueries, OrderSummary
from application.shared.pages import Page, PageRequest
from domain.identity.user import Permission
from domain.ordering.order import OrderId, OrderNotFound, OrderNumber


@dataclass(frozen=True, slots=True)
class History:
    """Looking at orders: customers at their own, staff at all."""

    orders: OrderQueries

    async def order(self, actor: Actor, id: OrderId) -> OrderDetails:
        return _shown(await self.orders.find(id), actor)

    async def order_by_number(self, actor: Actor, number: OrderNumber) -> OrderDetails:
        return _shown(await self.orders.by_number(number), actor)

    async def list(
        self, actor: Actor, request: PageRequest, wanted: OrderFilter
    ) -> Page[OrderSummary]:
        if not actor.may(Permission.MANAGE_ORDERS):
            if wanted.customer_id not in (None, actor.id):
                return Page([], total=0 if request.with_total else None)
            wanted = replace(wanted, customer_id=actor.id)
        return await self.orders.page(request, wanted)


def _shown(order: OrderDetails | None, actor: Actor) -> OrderDetails:
    if order is None:
        raise OrderNotFound
    if order.customer_id != actor.id and not actor.may(Permission.MANAGE_ORDERS):
        raise OrderNotFound
    return order
