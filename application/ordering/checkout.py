from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from application.identity.actor import Actor
from application.ordering.ports import PlacingWork
from application.ordering.telling import Telling, placed
from application.shared.clock import Clock
from domain.catalog.product import Product, ProductId, ProductNotFound, Sku
from domain.identity.user import Permission, UserId
from domain.ordering.address import Address
from domain.ordering.order import Order, OrderNumber, new_number, summed
from domain.shared.money import Money


@dataclass(frozen=True, slots=True)
class BasketLine:
    """So many of a product, which is named by its id or by its sku."""

    product: ProductId | Sku
    quantity: int


@dataclass(frozen=True, slots=True)
class Checkout:
    """From a basket to an order."""

    begin: Callable[[], AbstractAsyncContextManager[PlacingWork]]
    clock: Clock
    number: Callable[[datetime], OrderNumber] = new_number
    tell: Telling = field(default_factory=Telling)

    async def place(
        self,
        actor: Actor,
        basket: Sequence[BasketLine],
        *,
        customer_id: UserId | None = None,
        expected_total: Money | None = None,
        shipping_address: Address | None = None,
        note: str | None = None,
    ) -> Order:
        """A pending order of everything in the basket; staff may place it for somebody else."""
        if customer_id is not None and customer_id != actor.id:
            actor.require(Permission.MANAGE_ORDERS)
        async with self.begin() as work:
            customer = await work.users.get(customer_id or actor.id)
            products = await work.products.lock_all(
                [line.product for line in basket if isinstance(line.product, UUID)],
                [line.product for line in basket if isinstance(line.product, str)],
            )
            at = self.clock()
            order = Order.place(
                number=self.number(at),
                customer_id=UserId(customer.id),
                wanted=summed(_identified(basket, products)),
                products={ProductId(product.id): product for product in products},
                expected_total=expected_total,
                shipping_address=shipping_address,
                note=note,
                by=actor.author,
                at=at,
            )
            work.orders.add(order)
            await self.tell(work, order, placed(order), at=at)
            await work.commit()
        return order


def _identified(
    basket: Sequence[BasketLine], products: Sequence[Product]
) -> list[tuple[ProductId, int]]:
    on_file = [product for product in products if product.deleted_at is None]
    ids: dict[UUID | str, ProductId] = {product.sku: ProductId(product.id) for product in on_file}
    ids |= {product.id: ProductId(product.id) for product in on_file}
    for line in basket:
        if line.product not in ids:
            raise ProductNotFound(product=line.product)
    return [(ids[line.product], line.quantity) for line in basket]
