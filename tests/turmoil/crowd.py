"""A shop full of clients: what they find there, and what they come with."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

import httpx

from tests.turmoil.clients import CURRENCY, Client, Market, Noted

PASSWORD: Final = "Turmoil-2026"
PRODUCTS: Final = 20


async def new_crowd(
    http: httpx.AsyncClient, password: str, *, size: int, seed: int
) -> Sequence[Client]:
    """Clients with some credit, in a new shop whose administrator has this password."""
    clerk = await _signed_in(http, "admin", password)
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
    for number in range(size):
        name = f"client_{number}"
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        id = await _made(http, "/v1/users", body, clerk)
        owner = {"owner_id": id, "currency": CURRENCY}
        account = await _made(http, "/v1/accounts", owner, clerk)
        credit = {"amount": {"amount": "500.00", "currency": CURRENCY}, "reference": "welcome"}
        await _made(http, f"/v1/accounts/{account}/deposits", credit, clerk)
        market.accounts.append(account)
        token = await _signed_in(http, name, PASSWORD)
        chance = random.Random(f"{seed} {number}")
        clients.append(Client(http, token, clerk, account, market, noted, chance))
    return clients


async def keep_busy(clients: Sequence[Client], goes_on: Callable[[], bool]) -> None:
    """All at once, each does one thing after another as long as it goes on."""

    async def run(client: Client) -> None:
        while goes_on():
            await client.do_something()

    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(run(client))


async def _made(http: httpx.AsyncClient, path: str, body: object, token: str) -> str:
    answer = await http.post(path, json=body, headers={"Authorization": f"Bearer {token}"})
    answer.raise_for_status()
    return str(answer.json()["id"])


async def _signed_in(http: httpx.AsyncClient, username: str, password: str) -> str:
    form = {"grant_type": "password", "username": username, "password": password}
    answer = await http.post("/v1/auth/token", data=form)
    answer.raise_for_status()
    return str(answer.json()["access_token"])
