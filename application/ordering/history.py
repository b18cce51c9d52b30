from dataclasses import dataclass, replace

from application.identity.actor import Actor
from application.ordering.access import may_see
from application.ordering.queries import OrderDetails, OrderFilter, OrderQueries, OrderSummary
from application.ordering.receipts import PaymentDetails
from application.ordering.timeline import Happening
from application.shared.pages import Page, PageRequest
from domain.identity.user import Permission, UserId
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

    async def timeline(self, actor: Actor, id: OrderId, request: PageRequest) -> Page[Happening]:
        await self._check(actor, id)
        return await self.orders.timeline(id, request)

    async def payments(
        self, actor: Actor, id: OrderId, request: PageRequest
    ) -> Page[PaymentDetails]:
        await self._check(actor, id)
        return await self.orders.payments(id, request)

    async def _check(self, actor: Actor, id: OrderId) -> None:
        customer_id = await self.orders.customer_of(id)
        if customer_id is None or not may_see(actor, customer_id):
            raise OrderNotFound


def _shown(order: OrderDetails | None, actor: Actor) -> OrderDetails:
    if order is None or not may_see(actor, UserId(order.customer_id)):
        raise OrderNotFound
    return order
