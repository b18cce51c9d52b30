"""The service and its database are killed while clients trade: is anything lost, or done twice?"""

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.table import Table

from tests.servers import CommandFailed, NewShop, Server, new_shop
from tests.torture.effects import doubled, effects, lost
from tests.torture.havoc import Havoc
from tests.torture.patience import Diary, Patience
from tests.turmoil.clients import Noted
from tests.turmoil.crowd import keep_busy, new_crowd
from tests.turmoil.verdict import verdict

SERVERS: Final = 2
BACK_WITHIN: Final = 5.0  # seconds
TIMEOUT: Final = 10.0  # seconds, then it is sent again


def main(arguments: Sequence[str] | None = None) -> int:
    """0: everything holds; 1: it does not."""
    chosen = parser().parse_args(arguments)
    console = Console()
    with new_shop(chosen.database, {}) as shop:
        log = shop.folder / "server.log"
        servers = [Server(shop.environment, log) for _ in range(SERVERS)]
        with ExitStack() as stack:
            for server in servers:
                stack.callback(server.stop)
                server.start()
            diary, havoc, noted = asyncio.run(_torture(chosen, shop, servers))
        found = asyncio.run(effects(shop.environment["TRADEPOST_DATABASE_URL"]))
        mistakes = [*noted.mistakes, *_unforeseen(log), *_unsound(shop)]
    gone, twice = lost(diary, found), doubled(diary, found)
    console.print(_table(noted, diary, havoc, len(gone), len(twice)))
    mistakes += [f"lost: {key}" for key in gone] + [f"doubled: {key}" for key in twice]
    mistakes += [f"back after {late:.1f} s" for late in havoc.back_after if late > BACK_WITHIN]
    return verdict(console, mistakes)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    options.add_argument("--database", choices=("sqlite", "postgresql"), default="postgresql")
    options.add_argument("--clients", type=int, default=32)
    options.add_argument("--seconds", type=float, default=90.0)
    options.add_argument("--peace", type=float, default=2.0, help="at most, between two troubles")
    options.add_argument("--seed", type=int, default=1)
    return options


async def _torture(
    chosen: argparse.Namespace, shop: NewShop, servers: Sequence[Server]
) -> tuple[Diary, Havoc, Noted]:
    diary, chance = Diary(), random.Random(chosen.seed)
    ports = [server.port for server in servers]
    async with httpx.AsyncClient(
        base_url=servers[0].url,
        transport=Patience(httpx.AsyncHTTPTransport(), ports, diary, chance),
        timeout=TIMEOUT,
    ) as http:
        clients = await new_crowd(http, shop.password, size=chosen.clients, seed=chosen.seed)
        havoc = Havoc(servers, shop.cluster, clients[0], chance)
        wreaking = asyncio.create_task(havoc.wreak(chosen.seconds, chosen.peace))
        await keep_busy(clients, lambda: not wreaking.done())
        await wreaking
        await _ask_again(http, diary, at_once=len(clients))
        return diary, havoc, clients[0].noted


async def _ask_again(http: httpx.AsyncClient, diary: Diary, *, at_once: int) -> None:
    """For each answer that was given for good; the diary notes which are others now."""
    waiting = iter([*diary.answered])

    async def ask() -> None:
        for key in waiting:
            await http.send(diary.sent[key])

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(ask())


def _unforeseen(log: Path) -> list[str]:
    """The answers 500 that nobody waited for are in the log."""
    return [line for line in log.read_text(encoding="utf-8").splitlines() if "unforeseen" in line]


def _unsound(shop: NewShop) -> list[str]:
    """What `tradepost verify` finds."""
    try:
        shop.run("verify", "--json")
    except CommandFailed as found:
        return [str(found)]
    return []


def _table(noted: Noted, diary: Diary, havoc: Havoc, lost: int, doubled: int) -> Table:
    table = Table(show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    rows = [
        ("operations", noted.answers.total()),
        *sorted(havoc.wrought.items()),
        ("requests hung up on", diary.hung_up),
        ("sent again", diary.sent_again.total()),
        *((f"  {why}", count) for why, count in diary.sent_again.most_common()),
        ("lost on the way, found again", diary.found),
        ("lost", lost),
        ("doubled", doubled),
    ]
    for what, count in rows:
        table.add_row(what, f"{count:,}")
    if havoc.back_after:
        table.add_row("serves again within", f"{max(havoc.back_after):.1f} s")
    return table


if __name__ == "__main__":
    sys.exit(main())
