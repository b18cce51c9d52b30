"""Takes the steps of a plan, in a shop: sales up to their delivery, and what is brought back."""

import asyncio
from collections.abc import Container
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Self

from tests.replay.answers import Order
from tests.replay.plan import Cancellation, Plan, Return, Sale, Step
from tests.replay.shop import Refused, Shop
from tests.replay.terms import credit_in, is_paid_before_undone, tracking_number

PLACED: Final = "placed"
CANCELLED: Final = "cancelled"
REFUNDED: Final = "refunded"
BY_THE_SERVICE: Final = "refused by the service: "


@dataclass(slots=True)
class Account:
    """
    What the service acknowledged: of each line of the file (by number) what became of it, of each
    customer of the file the id and that of the store credit, of each sale invoice the ids of its
    orders, and of each cancelled order what was due back outside at once.
    """

    outcome: dict[int, str]
    customer_ids: dict[str, str] = field(default_factory=dict)
    credit_ids: dict[str, str] = field(default_factory=dict)
    order_ids: dict[str, list[str]] = field(default_factory=dict)
    due_back: dict[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trader:
    """
    Many may take steps at once, if they begin them in the order of the plan: what brings something
    back waits for its sale, which some other has in hand already.

    `undone` are the sales that will be cancelled; `orders` are, by their parts, those of each sale
    that has come as far as it gets by itself.
    """

    shop: Shop
    account: Account
    undone: Container[str]
    orders: dict[str, asyncio.Future[dict[int, Order]]]

    @classmethod
    def of(cls, plan: Plan, shop: Shop, account: Account) -> Self:
        loop = asyncio.get_running_loop()
        return cls(
            shop,
            account,
            undone={step.sale.invoice for step in plan.cancellations},
            orders={sale.invoice: loop.create_future() for sale in plan.sales},
        )

    async def take(self, step: Step) -> None:
        if isinstance(step, Sale):
            await self._sell(step)
            return
        try:
            if isinstance(step, Cancellation):
                await self._cancel(step)
                outcome = CANCELLED
            else:
                await self._bring_back(step)
                outcome = REFUNDED
        except Refused as refusal:
            outcome = BY_THE_SERVICE + refusal.code
        self.account.outcome |= {line.number: outcome for line in step.lines}

    async def _sell(self, sale: Sale) -> None:
        done = {}
        for part, lines in enumerate(sale.parts, start=1):
            try:
                done[part] = await self._sell_part(sale, part)
                outcome = PLACED
            except Refused as refusal:
                outcome = BY_THE_SERVICE + refusal.code
            self.account.outcome |= {line.number: outcome for line in lines}
        self.orders[sale.invoice].set_result(done)

    async def _sell_part(self, sale: Sale, part: int) -> Order:
        order = await self.shop.place(
            [(line.sku, line.quantity) for line in sale.parts[part - 1]],
            customer_id=self.account.customer_ids[sale.customer],
            invoice=sale.invoice,
            key=f"sale-{sale.invoice}-{part}",
        )
        self.account.order_ids.setdefault(sale.invoice, []).append(order.id)
        stands = sale.invoice not in self.undone
        if stands or is_paid_before_undone(sale.invoice):
            await self._pay(sale, order)
        if stands:
            await self.shop.ship(order.id, tracking_number=tracking_number(sale.invoice, part))
            await self.shop.deliver(order.id)
        return order

    async def _pay(self, sale: Sale, order: Order) -> None:
        if credit := credit_in(order.total, sale.customer):
            account_id = self.account.credit_ids[sale.customer]
            await self.shop.deposit(
                account_id, credit, reference=sale.invoice, key=f"deposit-{order.id}"
            )
            await self.shop.pay_by_credit(order.id, credit)
        await self.shop.pay_outside(order.id, reference=sale.invoice)

    async def _cancel(self, cancellation: Cancellation) -> None:
        """Store credit comes back with it, and the rest is sent back."""
        for order in (await self._orders_of(cancellation.sale)).values():
            await self.shop.cancel(order.id, reason=cancellation.invoice)
            payments = await self.shop.payments(order.id)
            due_back = sum((payment.due_back for payment in payments), Decimal())
            self.account.due_back[order.id] = due_back
            if due_back:
                await self.shop.refund(
                    order.id, due_back, reason=cancellation.invoice, key="due-back"
                )

    async def _bring_back(self, returned: Return) -> None:
        for taken in returned.taken:
            order = (await self._orders_of(taken.sale))[taken.part]
            await self.shop.refund(
                order.id,
                taken.quantity * order.prices[returned.line.sku],
                reason=returned.line.invoice,
                key=f"return-{returned.line.number}",
            )

    async def _orders_of(self, sale: Sale) -> dict[int, Order]:
        """All orders of the sale, or Refused if any of them has been."""
        orders = await self.orders[sale.invoice]
        if len(orders) < len(sale.parts):
            raise Refused("its-sale", f"not all of {sale.invoice} came through")
        return orders
