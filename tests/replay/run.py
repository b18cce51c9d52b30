"""Carries a plan out in a shop, with several clients at once, and reads back what came of it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeVar

from rich.progress import Progress

from tests.replay.answers import Figures, Order, Payment, Product
from tests.replay.assortment import product_lines
from tests.replay.plan import Article, Plan
from tests.replay.shop import Shop, Timings
from tests.replay.terms import GUEST
from tests.replay.trading import Account, Trader

PASSWORD: Final = "Retail-2010"
BEST_CUSTOMERS: Final = 10

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Shelves:
    """
    What the service says afterwards: every row of its lists, every order by itself, the payments of
    each, the balance of each owner's account (None: the shop's own), and its reports.
    """

    products: list[Product]
    listed: list[str]
    orders: list[Order]
    payments: dict[str, list[Payment]]
    balances: list[tuple[str | None, Decimal]]
    figures: Figures


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
    await _open_accounts(plan.credit_customers, shop, account, clients, progress)
    started = datetime.now(UTC)
    trader = Trader.of(plan, shop, account)
    await _share_out("taking every step", plan.steps, trader.take, clients, progress)
    figures = await shop.figures(started, datetime.now(UTC), best=BEST_CUSTOMERS)
    shelves = await _read_back(shop, figures, clients, progress)
    return Traded(account, shelves, shop.placing, shop.sent_again)


async def _read_back(shop: Shop, figures: Figures, clients: int, progress: Progress) -> Shelves:
    products = [product async for product in shop.products()]
    listed = [order_id async for order_id in shop.order_ids()]
    balances = [balance async for balance in shop.balances()]
    orders: list[Order] = []
    payments: dict[str, list[Payment]] = {}

    async def read(order_id: str) -> None:
        orders.append(await shop.order(order_id))
        payments[order_id] = await shop.payments(order_id)

    await _share_out("reading orders back", listed, read, clients, progress)
    return Shelves(products, listed, orders, payments, balances, figures)


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


async def _open_accounts(
    customers: list[str], shop: Shop, account: Account, clients: int, progress: Progress
) -> None:
    async def open_one(customer: str) -> None:
        owner_id = account.customer_ids[customer]
        account.credit_ids[customer] = await shop.open_account(owner_id)

    await _share_out("opening accounts", customers, open_one, clients, progress)


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
