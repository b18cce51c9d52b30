"""Kills a primary in the middle of orders, promotes its standby, and looks for what is missing."""

import argparse
import asyncio
import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import httpx
from rich.console import Console
from rich.table import Table

from infrastructure.sql.migrating import Migrations
from tests.http.api import settings
from tests.replication.clusters import HOST, Server, servers
from tests.servers import CommandFailed, run_tradepost, running_server

DATABASE: Final = "shop"
PASSWORD: Final = "Failover-2026"
WITHIN: Final = 60.0  # seconds in which writes have to go on
PAUSE: Final = 0.02

Json = dict[str, Any]


@dataclass(slots=True)
class Noted:
    """What was acknowledged and when, and what should not have been answered."""

    placed: dict[str, float] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    mistakes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Failover:
    promotion: float  # seconds, as all times here
    until_writes: float  # from the end of the primary to the first order after it


@dataclass(frozen=True, slots=True)
class Customer:
    """Places orders, each until it is acknowledged, and looks at it then."""

    shop: httpx.AsyncClient
    window: httpx.AsyncClient
    sku: str
    noted: Noted

    async def place_one(self) -> None:
        items = {"items": [{"sku": self.sku, "quantity": 1}]}
        request = self.shop.build_request(
            "POST", "/v1/orders", json=items, headers={"Idempotency-Key": str(uuid4())}
        )
        order = await self._answer(self.shop, request, 201)
        self.noted.placed[order["id"]] = time.perf_counter()
        look = self.window.build_request("GET", f"/v1/orders/{order['id']}")
        if await self._answer(self.window, look, 200) != order:
            self.noted.mistakes.append(f"{order['id']} does not look as it was placed")

    async def _answer(self, http: httpx.AsyncClient, request: httpx.Request, status: int) -> Json:
        """The answer of this status; the same request is sent again as long as it is a 503."""
        while True:
            answer = await http.send(request)
            self.noted.answers[f"{request.method} {answer.status_code}"] += 1
            if answer.status_code == status:
                content: Json = answer.json()
                return content
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                self.noted.mistakes.append(f"{request.url}: {answer.status_code} {answer.text}")
            await asyncio.sleep(PAUSE)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: nothing was lost; 1: something was."""
    chosen = parser().parse_args(arguments)
    console = Console()
    with servers() as running:
        [primary] = running
        primary.ask(f"CREATE DATABASE {DATABASE}")
        standby = primary.copied(primary.folder.with_name("0"))
        running.append(standby)
        both = f"postgresql://postgres@{HOST}:{primary.port},{HOST}:{standby.port}/{DATABASE}"
        environment = {
            "TRADEPOST_DATABASE_URL": both,
            "TRADEPOST_READ_DATABASE_URL": standby.url(DATABASE),
            "TRADEPOST_SECRET_KEY": secrets.token_urlsafe(48),
            "TRADEPOST_PASSWORD": PASSWORD,
        }
        folder = primary.folder.parent

        def run(*command: str) -> str:
            return run_tradepost(*command, environment=environment, folder=folder)

        Migrations(settings(database_url=both).database_url).upgrade()
        run("users", "create-admin", "--username", "admin", "--email", "admin@example.com")
        # Two processes of the service: what one has written is looked at in the other.
        with (
            running_server(environment, folder / "one.log") as one,
            running_server(environment, folder / "other.log") as other,
        ):
            noted, failovers = asyncio.run(_rounds(chosen, one, other, running))
        kept = {*running[-1].ask("SELECT id FROM orders", DATABASE).split()}
        try:
            verified, sound = run("verify"), True
        except CommandFailed as found:
            verified, sound = str(found), False
    console.print(_table(noted, failovers))
    lost, surplus = {*noted.placed} - kept, kept - {*noted.placed}
    console.print(verified, soft_wrap=True)
    console.print(f"{len(lost)} of {len(noted.placed):,} acknowledged orders are lost")
    for mistake in [*noted.mistakes[:20], *(f"nobody was told of {id}" for id in surplus)]:
        console.print(mistake, style="red", soft_wrap=True, markup=False)
    return 1 if lost or surplus or noted.mistakes or not sound else 0


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tests.replication", description=__doc__)
    options.add_argument("--clients", type=int, default=32)
    options.add_argument("--seconds", type=float, default=10.0, help="before each end of a primary")
    options.add_argument("--rounds", type=int, default=5)
    return options


async def _rounds(
    chosen: argparse.Namespace, one: str, other: str, running: list[Server]
) -> tuple[Noted, list[Failover]]:
    noted, failovers = Noted(), []
    async with _client(one) as shop, _client(other) as window:
        shop.headers["Authorization"] = window.headers["Authorization"] = await _sign_in(shop)
        customers = [
            Customer(shop, window, await _product(shop, number), noted)
            for number in range(chosen.clients)
        ]
        over = asyncio.Event()

        async def buy(customer: Customer) -> None:
            while not over.is_set():
                await customer.place_one()

        async with asyncio.TaskGroup() as group:
            for customer in customers:
                group.create_task(buy(customer))
            for number in range(1, chosen.rounds + 1):
                primary, standby = running[-2:]
                await asyncio.to_thread(primary.wait_for_its_standby)
                await asyncio.sleep(chosen.seconds)
                failovers.append(await _failover(primary, standby, noted))
                if number < chosen.rounds:
                    follower = await asyncio.to_thread(
                        standby.copied, standby.folder.with_name(str(number)), primary.port
                    )
                    running.append(follower)
            await asyncio.sleep(min(1.0, chosen.seconds))
            over.set()
    return noted, failovers


async def _failover(primary: Server, standby: Server, noted: Noted) -> Failover:
    primary.kill()
    ended = time.perf_counter()
    await asyncio.to_thread(standby.promote)
    promoted = time.perf_counter()
    while not (after := [at for at in noted.placed.values() if at > promoted]):
        if time.perf_counter() > ended + WITHIN:
            raise CommandFailed(f"nothing was written within {WITHIN:g} s")
        await asyncio.sleep(PAUSE)
    return Failover(promoted - ended, min(after) - ended)


def _client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=WITHIN, trust_env=False)


async def _sign_in(http: httpx.AsyncClient) -> str:
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    answer = (await http.post("/v1/auth/token", data=form)).raise_for_status()
    return f"Bearer {answer.json()['access_token']}"


async def _product(http: httpx.AsyncClient, number: int) -> str:
    """The SKU of something that there is enough of."""
    price = {"amount": "7.99", "currency": "USD"}
    sku = f"MUG-{number}"
    product = {"sku": sku, "name": sku, "price": price, "stock": 1_000_000}
    (await http.post("/v1/products", json=product)).raise_for_status()
    return sku


def _table(noted: Noted, failovers: Sequence[Failover]) -> Table:
    answers = ", ".join(f"{count:,} × {answer}" for answer, count in sorted(noted.answers.items()))
    table = Table("failover", title=answers, title_justify="left")
    table.add_column("promoted after", justify="right")
    table.add_column("writes again after", justify="right")
    for number, one in enumerate(failovers, 1):
        table.add_row(str(number), f"{one.promotion:.2f} s", f"{one.until_writes:.2f} s")
    return table


if __name__ == "__main__":
    sys.exit(main())
