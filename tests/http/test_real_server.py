"""The service as a process of its own, with many clients at once."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select

from infrastructure.sql.catalog.mapping import products
from infrastructure.sql.database import Limits, connect
from infrastructure.sql.ordering.mapping import order_lines, orders
from tests.builders import PASSWORD
from tests.http.api import NOWHERE, SECRET, a_product, a_registration, content, usd
from tests.servers import PATIENT, PostgresCluster, run_tradepost, running_server

CLIENTS: Final = 200
PATIENCE: Final = 60.0  # seconds
GREETING: Final = ("Tradepost ", "  ", "upgraded to ")  # what is for people to read


@dataclass(frozen=True, slots=True)
class Shop:
    """A database with the settings of its service; what the service says goes into `log`."""

    url: str
    settings: Mapping[str, str]
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "server.log"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A migrated database with an administrator."""
    folder = tmp_path_factory.mktemp("server")
    url = f"sqlite+aiosqlite:///{folder}/shop.db"
    if request.param == "postgresql":
        cluster: PostgresCluster = request.getfixturevalue("postgres")
        cluster.create("http_server")
        url = cluster.url("http_server")
    settings = {
        "TRADEPOST_DATABASE_URL": url,
        "TRADEPOST_SECRET_KEY": SECRET,
        **PATIENT,
    }
    run_tradepost("db", "upgrade", environment=settings, folder=folder)
    run_tradepost(
        *("users", "create-admin", "--username", "admin", "--email", "admin@example.com"),
        environment=settings | {"TRADEPOST_PASSWORD": PASSWORD},
        folder=folder,
    )
    return Shop(url, settings, folder)


@pytest.fixture(scope="module")
def served(shop: Shop) -> Iterator[str]:
    with running_server(shop.settings, shop.log) as url:
        yield url


@asynccontextmanager
async def clients(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """As many connections as there are clients."""
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    async with httpx.AsyncClient(
        base_url=url, limits=limits, timeout=PATIENCE, trust_env=False
    ) as client:
        yield client


async def sign_in(http: httpx.AsyncClient, username: str) -> dict[str, str]:
    form = {"grant_type": "password", "username": username, "password": PASSWORD}
    token = content(await http.post("/v1/auth/token", data=form), 200)["access_token"]
    return {"Authorization": f"Bearer {token}"}


async def customer(http: httpx.AsyncClient) -> dict[str, str]:
    body = a_registration()
    content(await http.post("/v1/users", json=body), 201)
    return await sign_in(http, body["username"])


async def product(http: httpx.AsyncClient, staff: dict[str, str], **changes: Any) -> str:
    body = a_product(**changes)
    created = content(await http.post("/v1/products", json=body, headers=staff), 201)
    return str(created["id"])


def one(product_id: str) -> dict[str, Any]:
    return {"items": [{"product_id": product_id, "quantity": 1}]}


async def test_the_last_fifty_units_are_sold_to_fifty_of_two_hundred(served: str) -> None:
    async with clients(served) as http:
        staff, buyers = await sign_in(http, "admin"), [await customer(http) for _ in range(4)]
        id = await product(http, staff, stock=50, price=usd("2.00"))
        answers = await asyncio.gather(
            *(
                http.post(
                    "/v1/orders",
                    json=one(id),
                    headers=buyers[n % 4] | {"Idempotency-Key": f"key-{n}"},
                )
                for n in range(CLIENTS)
            )
        )
        assert Counter(answer.status_code for answer in answers) == {201: 50, 409: CLIENTS - 50}
        refused = [answer.json() for answer in answers if answer.status_code == 409]
        assert {problem["code"] for problem in refused} == {"insufficient-stock"}
        assert {problem["shortages"][0]["available"] for problem in refused} == {0}
        left = content(await http.get(f"/v1/products/{id}"), 200)
        assert left["stock"] == 0
        assert 1 < left["version"] <= 51  # orders that are placed together make one version
        numbers = {answer.json()["number"] for answer in answers if answer.status_code == 201}
        assert len(numbers) == 50


async def test_of_twenty_cancellations_one_puts_the_stock_back(served: str) -> None:
    async with clients(served) as http:
        staff, buyer = await sign_in(http, "admin"), await customer(http)
        id = await product(http, staff, stock=7)
        order = content(await http.post("/v1/orders", json=one(id), headers=buyer), 201)
        answers = await asyncio.gather(
            *(
                http.post(
                    f"/v1/orders/{order['id']}/transitions",
                    json={"to": "cancelled"},
                    headers=(staff, buyer)[n % 2],
                )
                for n in range(20)
            )
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
        left = content(await http.get(f"/v1/products/{id}"), 200)
        assert (left["stock"], left["version"]) == (7, 3)


async def test_of_twenty_refunds_at_once_none_gives_back_what_another_did(served: str) -> None:
    async with clients(served) as http:
        staff, buyer = await sign_in(http, "admin"), await customer(http)
        id = await product(http, staff, stock=7, price=usd("10.00"))
        order = content(await http.post("/v1/orders", json=one(id), headers=buyer), 201)
        owner = {"owner_id": order["customer_id"], "currency": "USD"}
        account = content(await http.post("/v1/accounts", json=owner, headers=staff), 201)
        gift = {"amount": usd("8.00"), "reference": "gift card"}
        path = f"/v1/accounts/{account['id']}"
        content(await http.post(f"{path}/deposits", json=gift, headers=staff), 201)
        there = f"/v1/orders/{order['id']}"
        for method, amount in (("store_credit", "6.00"), ("external", "4.00")):
            body = {"method": method, "amount": usd(amount)}
            content(await http.post(f"{there}/payments", json=body, headers=staff), 201)
        back = {"amount": usd("3.00"), "reason": "late"}
        answers = await asyncio.gather(
            *(http.post(f"{there}/refunds", json=back, headers=staff) for _ in range(20))
        )
        assert Counter(answer.status_code for answer in answers) == {201: 3, 409: 17}
        refused = [answer.json() for answer in answers if answer.status_code == 409]
        assert {problem["code"] for problem in refused} == {"refund-too-large"}
        assert {problem["refundable"]["amount"] for problem in refused} == {"1.00"}
        rest = [http.post(f"{there}/refunds", json={"reason": "x"}, headers=staff) for _ in "ab"]
        assert {answer.status_code for answer in await asyncio.gather(*rest)} == {201, 409}
        found = content(await http.get(there, headers=buyer), 200)
        assert (found["paid"], found["refunded"]) == (usd("10.00"), usd("10.00"))
        held = content(await http.get(path, headers=buyer), 200)
        assert held["balance"] == usd("8.00")


async def test_told_to_stop_it_finishes_what_was_begun(shop: Shop) -> None:
    with ExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, running_server(shop.settings, shop.log))
        async with clients(url) as http:
            staff, buyer = await sign_in(http, "admin"), await customer(http)
            id = await product(http, staff, stock=1_000_000)
            answers: list[httpx.Response] = []
            under_way = asyncio.Event()

            async def buy() -> None:
                while True:
                    try:
                        answer = await http.post("/v1/orders", json=one(id), headers=buyer)
                    except httpx.TransportError:
                        return  # it is not there any more
                    answers.append(answer)
                    if len(answers) == 50:
                        under_way.set()

            buying = [asyncio.create_task(buy()) for _ in range(20)]
            await asyncio.wait_for(under_way.wait(), PATIENCE)
            await asyncio.to_thread(stack.close)
            await asyncio.wait_for(asyncio.gather(*buying), PATIENCE)
    assert {answer.status_code for answer in answers} == {201}
    assert await kept(shop, id) == (len(answers), 1_000_000 - len(answers))


async def kept(shop: Shop, product_id: str) -> tuple[int, int]:
    """How many orders of the product there are, and how many units are left."""
    engine = connect(shop.url, Limits())
    placed = (
        select(func.count())
        .select_from(orders)
        .join(order_lines, order_lines.c.order_id == orders.c.id)
        .where(order_lines.c.product_id == UUID(product_id))
    )
    left = select(products.c.stock).where(products.c.id == UUID(product_id))
    try:
        async with engine.connect() as connection:
            count = (await connection.execute(placed)).scalar_one()
            return count, (await connection.execute(left)).scalar_one()
    finally:
        await engine.dispose()


async def test_its_log_is_one_json_object_a_line_and_tells_no_secret(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    settings = {"TRADEPOST_LOG_FORMAT": "json", "TRADEPOST_LOG_LEVEL": "debug"}
    with ExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, running_server(settings, log))
        async with clients(url) as http:
            body = a_registration(email="canary@example.com")
            content(await http.post("/v1/users", json=body), 201)
            buyer = await sign_in(http, body["username"])
            await http.post("/v1/orders", json=one(NOWHERE), headers=buyer)
            await http.get("/v1/products%0Aforged%20line", headers={"X-Request-Id": "mine"})
        await asyncio.to_thread(stack.close)
    told = log.read_text()
    lines = [line for line in told.splitlines() if not line.startswith(GREETING)]
    logged = [json.loads(line) for line in lines]
    requests = [line for line in logged if line["event"] == "request" and line["path"] != "/readyz"]
    assert [line["status"] for line in requests] == [201, 200, 404, 404]
    assert requests[-1]["request_id"] == "mine"
    for secret in ("canary", PASSWORD, "$argon2id", buyer["Authorization"].split()[1]):
        assert secret not in told
