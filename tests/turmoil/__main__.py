"""Many clients at once do whatever they like: does every sum hold, and is nobody told of a 500?"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Sequence
from typing import Final

import httpx
from rich.console import Console
from rich.table import Table

from tests.servers import CommandFailed, NewShop, new_shop, running_server
from tests.turmoil.clients import CURRENCY, Client, Market, Noted

PASSWORD: Final = "Turmoil-2026"
PRODUCTS: Final = 20
MISTAKES_SHOWN: Final = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """0: everything holds; 1: it does not."""
    chosen = parser().parse_args(arguments)
    console = Console()
    with new_shop(chosen.database, {}) as shop:
        with running_server(shop.environment, shop.folder / "server.log") as url:
            noted, seconds = asyncio.run(_turmoil(chosen, url, shop.password))
        verified, sound = _verified(shop)
    console.print(_table(noted, seconds))
    console.print(verified, soft_wrap=True)
    for mistake in noted.mistakes[:MISTAKES_SHOWN]:
        console.print(mistake, style="red", soft_wrap=True, markup=False)
    if noted.mistakes or not sound:
        console.print(f"{len(noted.mistakes)} answers that nobody may get", style="bold red")
        return 1
    console.print("Everything holds", style="bold green")
    return 0


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
        clerk = await _signed_in(http, "admin", password)
        clients = await _clients(chosen, http, clerk)
        started = time.perf_counter()

        async def run(client: Client) -> None:
            while time.perf_counter() < started + chosen.seconds:
                await client.do_something()

        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(run(client))
        return clients[0].noted, time.perf_counter() - started


async def _clients(chosen: argparse.Namespace, http: httpx.AsyncClient, clerk: str) -> list[Client]:
    market, noted = Market([], []), Noted()
    for number in range(PRODUCTS):
        body = {
            "sku": f"SKU-{number}",
            "name": f"Product {number}",
            "price": {"amount": f"{number}.99", "currency": CURRENCY},
            "stock": 50,
        }
        market.products.append(await _made(http, "/v1/products", body, clerk))
    clients = []
    for number in range(chosen.clients):
        name = f"client_{number}"
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        id = await _made(http, "/v1/users", body, clerk)
        owner = {"owner_id": id, "currency": CURRENCY}
        account = await _made(http, "/v1/accounts", owner, clerk)
        credit = {"amount": {"amount": "500.00", "currency": CURRENCY}, "reference": "welcome"}
        await _made(http, f"/v1/accounts/{account}/deposits", credit, clerk)
        market.accounts.append(account)
        token = await _signed_in(http, name, PASSWORD)
        chance = random.Random(f"{chosen.seed} {number}")
        clients.append(Client(http, token, clerk, account, market, noted, chance))
    return clients


async def _made(http: httpx.AsyncClient, path: str, body: object, token: str) -> str:
    answer = await http.post(path, json=body, headers={"Authorization": f"Bearer {token}"})
    answer.raise_for_status()
    return str(answer.json()["id"])


async def _signed_in(http: httpx.AsyncClient, username: str, password: str) -> str:
    form = {"grant_type": "password", "username": username, "password": password}
    answer = await http.post("/v1/auth/token", data=form)
    answer.raise_for_status()
    return str(answer.json()["access_token"])


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
