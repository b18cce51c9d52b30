"""The schema changes while the shop is open and full: does any request fail, and who waits?"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg
import httpx
from alembic import command
from alembic.config import Config
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from infrastructure.sql.migrating import SCRIPTS, Migrations
from infrastructure.sql.servers import dsn_of
from tests.benchmarks.growth import PAST_LINES, PAST_ORDERS
from tests.benchmarks.load import Ask, Load, get, post, put
from tests.migrations import revisions
from tests.migrations.databases import alembic
from tests.servers import NewShop, new_shop, running_server

# The oldest schema on which this version places orders, if not all else: what came later is
# rehearsed as well.
ORDERS_SINCE: Final = "0008"
PASSWORD: Final = "Rehearsal-1"
PRODUCTS: Final = 1_000  # as many as the past orders are of
CUSTOMERS: Final = 4
PLENTY: Final = 1_000_000
# What a coming version may do to a table that is in use, and in which way.
NEXT: Final = {
    "column": 'online.add_column("orders", "channel", "VARCHAR(20) DEFAULT \'web\' NOT NULL",'
    " {\"ck_orders_channel_known\": \"channel IN ('web', 'till')\"})",
    "index": 'online.create_index("ix_orders_channel_id", "orders", ["channel", "id"])',
    "table": 'op.execute("CREATE TABLE parcels (id UUID PRIMARY KEY,'
    ' order_id UUID NOT NULL REFERENCES orders, packer_id UUID NOT NULL REFERENCES users)")',
}


@dataclass(slots=True)
class Act:
    """One upgrade of an open shop, and what became of the requests meanwhile."""

    name: str
    told: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)  # milliseconds
    complaints: list[str] = field(default_factory=list)

    @property
    def p99(self) -> float:
        return sorted(self.times)[len(self.times) * 99 // 100]

    @property
    def tried_again(self) -> int:
        return sum(line.startswith("tried again") for line in self.told)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: no request failed; 1: some did."""
    chosen = parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    with new_shop("postgresql", {}) as shop, tempfile.TemporaryDirectory() as name:
        url = shop.environment["TRADEPOST_DATABASE_URL"]
        config = _with_what_comes_next(url, Path(name))
        with running_server(shop.environment, shop.folder / "server.log") as served:
            asks = _asks(served, shop)
            asyncio.run(_fill(url, chosen.orders))
            port = int(served.rpartition(":")[2])
            command.downgrade(config, ORDERS_SINCE)
            none = Act("none")
            asyncio.run(_perform(none, config, ORDERS_SINCE, asks, port, chosen))
            newest = Act("newest")
            asyncio.run(_perform(newest, config, Migrations(url).head, asks, port, chosen))
            coming = Act("coming")
            ready = Ask(get("/readyz"), holds=[(b'"ok"', 1)])
            asyncio.run(_perform(coming, config, "head", [*asks, ready], port, chosen))
    acts = [none, newest, coming]
    console.print(_table(acts, chosen.orders))
    for act in acts:
        for line in (*act.told, *act.complaints):
            console.print(f"  {line}", soft_wrap=True, markup=False)
    return 1 if any(act.complaints for act in acts) else 0


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tests.rehearsal", description=__doc__)
    options.add_argument("--orders", type=int, default=1_000_000, help="that are there already")
    options.add_argument("--clients", type=int, default=8)
    options.add_argument("--reader", type=float, default=5.0, help="seconds that somebody reads")
    options.add_argument("--pause", type=float, help="seconds before another try; else 1 to 10")
    return options


def _with_what_comes_next(url: str, folder: Path) -> Config:
    revisions.write(folder, after=Migrations(url).head, **NEXT)
    config = alembic(url, folder)
    both = f"{SCRIPTS / 'versions'}{os.pathsep}{folder}"
    config.set_main_option("version_locations", both)
    return config


def _asks(url: str, shop: NewShop) -> list[Ask]:
    """Products and customers, who read and order."""
    with httpx.Client(base_url=url, timeout=60.0, trust_env=False) as http:

        def signed_in(name: str, password: str) -> dict[str, str]:
            form = {"grant_type": "password", "username": name, "password": password}
            granted = http.post("/v1/auth/token", data=form).raise_for_status().json()
            return {"Authorization": f"Bearer {granted['access_token']}"}

        clerk = signed_in("admin", shop.password)
        rows = "".join(f"P-{n},Product {n},1.00,{PLENTY}\n" for n in range(PRODUCTS))
        csv = {**clerk, "Content-Type": "text/csv"}
        catalog = f"sku,name,price,stock\n{rows}".encode()
        http.post("/v1/products/import", content=catalog, headers=csv).raise_for_status()
        asks = []
        for number in range(CUSTOMERS):
            name = f"customer_{number}"
            body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
            http.post("/v1/users", json=body).raise_for_status()
            token = signed_in(name, PASSWORD)["Authorization"].removeprefix("Bearer ")
            # Each begins at another place, so that nobody waits for a neighbour's product.
            items = [{"sku": f"P-{number + 100 * nth}", "quantity": 1} for nth in range(3)]
            asks += [
                Ask(get(f"/v1/products/by-sku/P-{number}"), holds=[(b'"sku":', 1)]),
                Ask(get("/v1/orders?limit=20", token), holds=[(b'"items":', 1)]),
                Ask(get("/v1/products?limit=20"), holds=[(b'"sku":', 20)]),
                Ask(post("/v1/orders", {"items": items}, token), status=201, is_keyed=True),
            ]
        return asks


async def _fill(url: str, orders: int) -> None:
    connection = await asyncpg.connect(dsn_of(make_url(url)))
    await connection.execute(PAST_ORDERS, orders)
    await connection.execute(PAST_LINES)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def _perform(
    act: Act,
    config: Config,
    revision: str,
    asks: Sequence[Ask],
    port: int,
    chosen: argparse.Namespace,
) -> None:
    """Upgrade while clients ask and somebody reads for long."""
    config.attributes["report"] = act.told.append
    if chosen.pause is not None:
        config.attributes["pauses"] = [chosen.pause] * 30
    over = asyncio.Event()

    async def ask() -> None:
        first = 0
        while not over.is_set():
            answered = await put(Load(port, chosen.clients, 1.0, asks, act.name, first))
            first += answered.answers
            act.times += answered.times
            act.complaints += answered.complaints

    async with asyncio.TaskGroup() as group:
        group.create_task(ask())
        await asyncio.gather(
            _read(config.attributes["database_url"], chosen.reader),
            asyncio.to_thread(command.upgrade, config, revision),
        )
        over.set()


async def _read(url: str, seconds: float) -> None:
    connection = await asyncpg.connect(dsn_of(make_url(url)))
    async with connection.transaction():
        await connection.fetch("SELECT FROM orders, users LIMIT 1")
        await asyncio.sleep(seconds)
    await connection.close()


def _table(acts: Sequence[Act], orders: int) -> Table:
    table = Table(title=f"{orders:,} orders", title_justify="left")
    table.add_column("revisions")
    for name in ("requests", "failed", "p99 ms", "longest ms", "tried again"):
        table.add_column(name, justify="right")
    for act in acts:
        table.add_row(
            act.name,
            f"{len(act.times):,}",
            f"{len(act.complaints):,}",
            f"{act.p99:,.0f}",
            f"{max(act.times):,.0f}",
            str(act.tried_again),
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
