from application.identity.actor import Actor
from application.ordering.ports import OrderingWork
from domain.identity.user import Permission, UserId
from domain.ordering.order import Order, OrderId, OrderNotFound


def may_see(actor: Actor, customer_id: UserId) -> bool:
    """Customers see their own orders, staff all."""
    return customer_id == actor.id or actor.may(Permission.MANAGE_ORDERS)


async def order_of(actor: Actor, work: OrderingWork, id: OrderId) -> Order:
    """The order, locked; OrderNotFound also for whoever is not to know that it is there."""
    order = await work.orders.get(id, lock=True)
    if not may_see(actor, order.customer_id):
        raise OrderNotFound
    return order
