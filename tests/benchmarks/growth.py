"""What reading costs as the catalog and the orders grow: 1 000 to 1 000 000 products."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Slice
from tests.benchmarks.load import Ask, Load, Loader, get
from tests.benchmarks.serving import OTHERS, ROOT, Server, on, ours, serving
from tests.benchmarks.shop import (
    Shop,
    fill,
    listing_categories,
    reading_orders,
    reading_products,
    searching,
)
from tests.servers import PostgresCluster, postgres_cluster

RESULTS: Final = ROOT / "build" / "bench"
MOST_GROWTH: Final = 1.5  # the cost in the largest shop over that in the smallest
FAR: Final = 50_000  # products that are passed before the page, where there are as many
ORDERS_A_PRODUCT: Final = 10  # up to MOST_ORDERS, and no fewer than FEWEST_ORDERS
FEWEST_ORDERS: Final = 10_000
MOST_ORDERS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Extent:
    products: Sequence[int]
    rounds: int
    seconds: float  # a slice


THOROUGH: Final = Extent((1_000, 100_000, 1_000_000), 10, 1.0)
QUICK: Final = Extent((1_000, 10_000), 3, 0.5)

# Orders of three lines that are only read, of all customers in turns.
PAST_ORDERS: Final = """
WITH customers AS (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS number, count(*) OVER () AS many
    FROM users WHERE role = 'customer'
)
INSERT INTO orders (id, version, sequence, number, customer_id, status, total_minor, currency,
                    placed_at, updated_at)
SELECT gen_random_uuid(), 1, 1, 'PAST-' || nth, customers.id, 'pending', 300, 'USD',
       now() - nth * interval '1 second', now() - nth * interval '1 second'
FROM generate_series(1, $1::int) AS nth JOIN customers ON customers.number = nth % customers.many
"""
PAST_LINES: Final = """
WITH few AS (SELECT id, sku, name, row_number() OVER (ORDER BY id) AS nth
             FROM (SELECT id, sku, name FROM products ORDER BY id LIMIT 1000) AS first)
INSERT INTO order_lines (id, order_id, position, product_id, sku, name, unit_price_minor, currency,
                         quantity)
SELECT gen_random_uuid(), orders.id, position, few.id, few.sku, few.name, 100, 'USD', 1
FROM orders CROSS JOIN generate_series(1, 3) AS position
     JOIN few ON few.nth = 1 + (substr(orders.number, 6)::int + position * 317) % 1000
"""


@dataclass(slots=True)
class Place:
    """One of the shops, being served."""

    shop: Shop
    server: Server
    asks: dict[str, list[Ask]] = field(default_factory=dict)


@dataclass(slots=True)
class Cost:
    """Of one kind of reading: milliseconds in each shop, slice by slice."""

    name: str
    series: dict[int, list[float]]

    @property
    def growth(self) -> float:
        """Round by round, the largest shop's over the smallest's; the median of it."""
        smallest, *_, largest = self.series.values()
        return median(big / small for big, small in zip(largest, smallest, strict=True))


def listing_own_orders(shop: Shop) -> list[Ask]:
    return [
        Ask(
            get("/v1/orders?limit=20", token),
            holds=[(b'"number":', 20)],
            each={"customer_id": str(id), "status": "pending"},
        )
        for id, token in shop.customers
    ]


def listing(path: str) -> Ask:
    return Ask(get(f"/v1/{path}&limit=20"), holds=[(b'"version":', 20)])


def far_pages(server: Server, products: int) -> list[Ask]:
    """A page that is reached by a cursor from page to page, deep in the catalog."""
    with httpx.Client(base_url=server.url, timeout=60.0, trust_env=False) as http:
        path = "/v1/products?limit=100&sort=name"
        cursor, passed = "", 0
        while passed < min(FAR, products - 100):
            answer = http.get(path + (f"&cursor={cursor}" if cursor else "")).json()
            cursor, passed = answer["next_cursor"], passed + len(answer["items"])
    request = get(f"/v1/products?limit=20&sort=name&cursor={cursor}")
    return [Ask(request, holds=[(b'"sku":', 20)], each={"is_active": True})]


KINDS: Final[dict[str, Callable[[Place], list[Ask]]]] = {
    "read a product": lambda place: reading_products(place.shop),
    "list 20 of a category": lambda place: listing_categories(place.shop),
    "list 20 behind a far cursor": lambda place: far_pages(place.server, place.shop.products),
    "search a rare word": lambda place: searching(place.shop),
    "list 20 of a common tag": lambda _: [listing("products?tag=t3")],
    "list 20 of the dearest": lambda _: [listing("products?min_price=500&sort=-price")],
    "search a common word": lambda _: [listing("products?q=mug")],
    "list 20 tags": lambda _: [listing("tags?sort=name")],
    "read the tree": lambda _: [Ask(get("/v1/categories/tree?depth=1"))],
    "read an order": lambda place: reading_orders(place.shop),
    "list 20 of one's own orders": lambda place: listing_own_orders(place.shop),
}


def measure(
    places: Sequence[Place], loader: Loader, extent: Extent
) -> tuple[list[Cost], list[str]]:
    """One client that reads from each shop in turns; what was answered wrongly as well."""
    costs = [Cost(kind, {place.shop.products: [] for place in places}) for kind in KINDS]
    wrong = []
    for place in places:
        place.asks = {kind: asked(place) for kind, asked in KINDS.items()}
    for number in range(-1, extent.rounds):
        for cost in costs:
            for place in places[:: 1 if number % 2 else -1]:
                load = Load(place.server.port, 1, extent.seconds, place.asks[cost.name])
                answered = loader.put(load)
                if answered.complaints:
                    products = place.shop.products
                    wrong.append(f"{cost.name} of {products:,}: {answered.complaints[0]}")
                elif number >= 0:
                    one = Slice.of(answered.rate, answered.times)
                    cost.series[place.shop.products].append(one.p50)
    return costs, wrong


def add_orders(shop: Shop) -> None:
    orders = min(max(shop.products * ORDERS_A_PRODUCT, FEWEST_ORDERS), MOST_ORDERS)
    asyncio.run(_add_orders(shop.dsn, orders))
    shop.settle()


async def _add_orders(dsn: str, orders: int) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(PAST_ORDERS, orders)
    await connection.execute(PAST_LINES)
    await connection.close()


def table_of(costs: Sequence[Cost]) -> Table:
    table = Table()
    table.add_column("median ms, one client")
    for products in costs[0].series:
        table.add_column(f"{products:,} products", justify="right")
    table.add_column("growth", justify="right")
    table.add_column("wanted")
    for cost in costs:
        style = "green" if cost.growth <= MOST_GROWTH else "bold red"
        table.add_row(
            cost.name,
            *(f"{median(times):.2f}" for times in cost.series.values()),
            f"[{style}]{cost.growth:.2f}[/{style}]",
            f"at most {MOST_GROWTH:g}",
        )
    return table


def _place(
    stack: ExitStack, cluster: PostgresCluster, folder: Path, loader: Loader, products: int
) -> Place:
    name = f"shop_{products}"
    cluster.create(name)
    own = folder / name
    own.mkdir()
    shop = Shop(own, cluster.url(name), products)
    fill(shop, loader, orders=0)
    add_orders(shop)
    return Place(shop, stack.enter_context(serving(ours(), shop.environment, own / "server.log")))


def document(costs: Sequence[Cost]) -> list[dict[str, Any]]:
    return [
        {
            "name": cost.name,
            "median_ms": {str(size): round(median(ms), 3) for size, ms in cost.series.items()},
            "growth": round(cost.growth, 3),
            "wanted": MOST_GROWTH,
        }
        for cost in costs
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """0: everything was answered rightly, whatever it cost; 1: not so."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only up to 10 000 products")
    extent = QUICK if parser.parse_args(arguments).quick else THOROUGH
    console = Console(width=None if sys.stdout.isatty() else 140)
    with (
        tempfile.TemporaryDirectory(prefix="tradepost-growth-") as name,
        Loader(OTHERS) as loader,
        ExitStack() as stack,
    ):
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user when we are root
        with on(OTHERS):
            cluster = stack.enter_context(postgres_cluster(folder / "postgres", durable=True))
        places = [_place(stack, cluster, folder, loader, size) for size in extent.products]
        costs, wrong = measure(places, loader, extent)
    if wrong:
        for complaint in wrong:
            console.print(f"wrong: {complaint}", style="bold red", markup=False)
        return 1
    RESULTS.mkdir(parents=True, exist_ok=True)
    written = json.dumps(document(costs), indent=2) + "\n"
    (RESULTS / "growth.json").write_text(written, encoding="utf-8")
    console.print(table_of(costs))
    return 0


if __name__ == "__main__":
    # Ended from outside it still stops the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
