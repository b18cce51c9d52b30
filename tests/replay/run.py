"""Carries a plan out in a shop, with several clients at once, and reads back what came of it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from rich.progress import Progress

from tests.replay.assortment import product_lines
from tests.replay.plan import GUEST, Article, Cancellation, Plan, Sale
from tests.replay.shop import Order, Product, Refused, Shop, Timings

PLACED: Final = "placed"
CANCELLED: Final = "cancelled"
BY_THE_SERVICE: Final = "refused by the service: "
PASSWORD: Final = "Retail-2010"

Item = TypeVar("Item")


@dataclass(slots=True)
class Account:
    """
    What the service acknowledged: of each line of the file (by number) what became of it, of each
    customer of the file the id, of each sale invoice the ids of its orders.
    """

    outcome: dict[int, str]
    customer_ids: dict[str, str] = field(default_factory=dict)
    order_ids: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shelves:
    """What the service says afterwards: every row of its lists, and every order by itself."""

    products: list[Product]
    listed: list[str]
    orders: list[Order]


@dataclass(frozen=True, slots=True)
class Traded:
    """A replay as its clients saw it: what was acknowledged, what is there now, and how fast."""

    account: Account
    shelves: Shelves
    placing: Timings
    sent_again: Counter[str]


async def trade(plan: Plan, shop: Shop, *, clients: int, progress: Progress) -> Traded:
    account = Account({line: f"refused: {reason}" for line, reason in plan.refused.items()})
    await _make_products(plan.articles, shop, progress)
    await _register(plan.customers, shop, account, clients, progress)
    await _carry_out(plan, shop, account, clients, progress)
    shelves = await _read_back(shop, clients, progress)
    return Traded(account, shelves, shop.placing, shop.sent_again)


async def _read_back(shop: Shop, clients: int, progress: Progress) -> Shelves:
    products = [product async for product in shop.products()]
    listed = [order_id async for order_id in shop.order_ids()]
    orders: list[Order] = []

    async def read(order_id: str) -> None:
        orders.append(await shop.order(order_id))

    await _share_out("reading orders back", listed, read, clients, progress)
    return Shelves(products, listed, orders)


async def _make_products(articles: list[Article], shop: Shop, progress: Progress) -> None:
    bar = progress.add_task("importing products", total=len(articles))
    await shop.import_products("".join(product_lines(articles)), count=len(articles))
    progress.update(bar, completed=len(articles))


async def _register(
    customers: list[str], shop: Shop, account: Account, clients: int, progress: Progress
) -> None:
    async def register(customer: str) -> None:
        name = "guest" if customer == GUEST else f"customer_{customer}"
        account.customer_ids[customer] = await shop.register(name, f"{name}@example.com", PASSWORD)

    await _share_out("registering customers", customers, register, clients, progress)


async def _carry_out(
    plan: Plan, shop: Shop, account: Account, clients: int, progress: Progress
) -> None:
    loop = asyncio.get_running_loop()
    settled = {sale.invoice: loop.create_future() for sale in plan.sales}

    async def take(step: Sale | Cancellation) -> None:
        if isinstance(step, Sale):
            settled[step.invoice].set_result(await _place(step, shop, account))
        else:
            # Its sale stands before it in the file, so some client has it in hand already.
            await _cancel(step, await settled[step.sale.invoice], shop, account)

    await _share_out("orders and cancellations", plan.steps, take, clients, progress)


async def _place(sale: Sale, shop: Shop, account: Account) -> list[str]:
    ids = account.order_ids.setdefault(sale.invoice, [])
    for number, lines in enumerate(sale.parts, start=1):
        try:
            order_id = await shop.place(
                [(line.sku, line.quantity) for line in lines],
                customer_id=account.customer_ids[sale.customer],
                invoice=sale.invoice,
                key=f"sale-{sale.invoice}-{number}",
            )
        except Refused as refusal:
            outcome = BY_THE_SERVICE + refusal.code
        else:
            ids.append(order_id)
            outcome = PLACED
        account.outcome |= {line.number: outcome for line in lines}
    return ids


async def _cancel(
    cancellation: Cancellation, order_ids: list[str], shop: Shop, account: Account
) -> None:
    outcome = CANCELLED if order_ids else BY_THE_SERVICE + "its sale"
    try:
        for order_id in order_ids:
            await shop.cancel(
                order_id, reason=cancellation.invoice, key=f"cancel-{cancellation.invoice}"
            )
    except Refused as refusal:
        outcome = BY_THE_SERVICE + refusal.code
    account.outcome |= {line.number: outcome for line in cancellation.lines}


async def _share_out(
    title: str,
    items: Iterable[Item],
    do: Callable[[Item], Awaitable[None]],
    clients: int,
    progress: Progress,
) -> None:
    """Do it for each item, begun in their order, by so many clients at once."""
    todo = list(items)
    bar = progress.add_task(title, total=len(todo))
    waiting = iter(todo)

    async def client() -> None:
        for item in waiting:
            await do(item)
            progress.advance(bar)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
