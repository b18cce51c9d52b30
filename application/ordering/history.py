from dataclasses import dataclass, replace

from application.identity.actor import Actor
from application.ordering.queries import OrderDetails, OrderFilter, OrderQueries, OrderSummary
from application.shared.pages import Page, PageRequest
from domain.identity.user import Permission
from domain.ordering.order import OrderId, OrderNotFound


@dataclass(frozen=True, slots=True)
class History:
    """Looking at orders: customers at their own, staff at all."""

    orders: OrderQueries

    async def order(self, actor: Actor, id: OrderId) -> OrderDetails:
        found = await self.orders.find(id)
        if found is None or not _may_see(actor, found):
            raise OrderNotFound
        return found

    async def list(
        self, actor: Actor, request: PageRequest, wanted: OrderFilter
    ) -> Page[OrderSummary]:
        if not actor.may(Permission.MANAGE_ORDERS):
            if wanted.customer_id not in (None, actor.id):
                return Page([], total=0 if request.with_total else None)
            wanted = replace(wanted, customer_id=actor.id)
        return await self.orders.page(request, wanted)


def _may_see(actor: Actor, order: OrderSummary) -> bool:
    return order.customer_id == actor.id or actor.may(Permission.MANAGE_ORDERS)
