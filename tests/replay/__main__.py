"""A real month of retail, bought again through the HTTP API: does the service get it right?"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.replay.answers import CURRENCY
from tests.replay.books import compare
from tests.replay.invoices import NotTheFile, read
from tests.replay.ledger import ledger_of
from tests.replay.plan import Plan
from tests.replay.report import show, write_differences
from tests.replay.run import Traded, trade
from tests.replay.shop import Shop
from tests.servers import CommandFailed, NewShop, new_shop, running_server

ROOT: Final = Path(__file__).parents[2]
ADMIN: Final = "admin"
DATABASES: Final = ("sqlite", "postgresql", "memory")


def main(arguments: Sequence[str] | None = None) -> int:
    """0: everything adds up; 1: it does not; 2: there is nothing to replay."""
    chosen = parser().parse_args(arguments)
    console = Console()
    try:
        plan = Plan.of(read(chosen.file, days=chosen.days))
    except NotTheFile as missing:
        console.print(f"{missing}", style="red", soft_wrap=True)
        return 2
    with _served(chosen.database) as (url, shop):
        traded = asyncio.run(_traded(chosen, plan, url, shop.password, console))
        findings = [] if chosen.database == "memory" else verify(shop, console)
    return settle(chosen, plan, traded, console, findings)


def data_folder() -> Path:
    return Path(os.environ.get("TRADEPOST_DATA") or ROOT / "../shared/data").resolve()


def verify(shop: NewShop, console: Console) -> list[str]:
    """What `tradepost verify` finds wrong in the database."""
    try:
        shop.run("verify")
    except CommandFailed as failed:
        return [str(failed)]
    console.print("tradepost verify finds nothing wrong")
    return []


def settle(
    chosen: argparse.Namespace,
    plan: Plan,
    traded: Traded,
    console: Console,
    findings: Iterable[str] = (),
) -> int:
    """Compare with the file, write the differences, show the tables; the exit code."""
    ledger = ledger_of(chosen.file, days=chosen.days)
    books = compare(ledger, traded.account, traded.shelves, made=plan.stock)
    books.mistakes.extend(findings)
    differences = chosen.differences or Path(f"replay-differences-{chosen.database}.csv")
    write_differences(differences, books.differences)
    show(console, plan, traded, books)
    console.print(f"Differences line by line: {differences}", soft_wrap=True)
    return 1 if books.mistakes else 0


async def _traded(
    chosen: argparse.Namespace, plan: Plan, url: str, password: str, console: Console
) -> Traded:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    connections = httpx.Limits(
        max_connections=chosen.clients, max_keepalive_connections=chosen.clients
    )
    async with httpx.AsyncClient(
        base_url=url, timeout=60.0, limits=connections, trust_env=False
    ) as http:
        with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
            shop = Shop(http, ADMIN, password)
            return await trade(plan, shop, clients=chosen.clients, progress=progress)


@contextmanager
def _served(database: str) -> Iterator[tuple[str, NewShop]]:
    """The real server on a new database: its URL, and its shop."""
    options = ["--memory"] if database == "memory" else []
    with (
        new_shop(database, {"TRADEPOST_CURRENCY": CURRENCY}) as shop,
        running_server(shop.environment, shop.folder / "server.log", *options) as url,
    ):
        yield url, shop


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument(
        "--file",
        type=Path,
        default=data_folder() / "online-retail" / "2010-12.csv.gz",
        help="lines of sale, gzipped (default: %(default)s; TRADEPOST_DATA names the data folder)",
    )
    parser.add_argument("--days", type=_positive, help="only so many days from the first one on")
    parser.add_argument("--clients", type=_positive, default=8, help="how many trade at once")
    parser.add_argument(
        "--differences",
        type=Path,
        help="where the lines that differ in price go (default: replay-differences-DATABASE.csv)",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above zero")
    return int(text)


if __name__ == "__main__":
    # Ended from outside it still stops the server and the database that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
