"""Many clients at once do whatever they like: does every sum hold, and is nobody told of a 500?"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence

import httpx
from rich.console import Console
from rich.table import Table

from tests.servers import PATIENT, CommandFailed, NewShop, new_shop, running_server
from tests.turmoil.clients import Noted
from tests.turmoil.crowd import keep_busy, new_crowd
from tests.turmoil.verdict import verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """0: everything holds; 1: it does not."""
    chosen = parser().parse_args(arguments)
    console = Console()
    with new_shop(chosen.database, PATIENT) as shop:
        with running_server(shop.environment, shop.folder / "server.log") as url:
            noted, seconds = asyncio.run(_turmoil(chosen, url, shop.password))
        verified, sound = _verified(shop)
    console.print(_table(noted, seconds))
    console.print(verified, soft_wrap=True)
    return verdict(console, noted.mistakes if sound else [*noted.mistakes, "see above"])


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tests.turmoil", description=__doc__)
    options.add_argument("--database", choices=("sqlite", "postgresql"), default="postgresql")
    options.add_argument("--clients", type=int, default=64)
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--seed", type=int, default=1)
    return options


async def _turmoil(chosen: argparse.Namespace, url: str, password: str) -> tuple[Noted, float]:
    limits = httpx.Limits(max_connections=chosen.clients, max_keepalive_connections=chosen.clients)
    async with httpx.AsyncClient(
        base_url=url, limits=limits, timeout=60.0, trust_env=False
    ) as http:
        clients = await new_crowd(http, password, size=chosen.clients, seed=chosen.seed)
        started = time.perf_counter()
        await keep_busy(clients, lambda: time.perf_counter() < started + chosen.seconds)
        return clients[0].noted, time.perf_counter() - started


def _verified(shop: NewShop) -> tuple[str, bool]:
    """What `tradepost verify` says, and whether it found nothing."""
    try:
        return shop.run("verify"), True
    except CommandFailed as found:
        return str(found), False


def _table(noted: Noted, seconds: float) -> Table:
    total = noted.answers.total()
    title = f"{total:,} requests in {seconds:.1f} s, {total / seconds:,.0f} per second"
    table = Table("request", "answer", title=title, title_justify="left")
    table.add_column("", justify="right")
    for (kind, answer), count in sorted(noted.answers.items()):
        table.add_row(kind, answer, f"{count:,}")
    return table


if __name__ == "__main__":
    sys.exit(main())
