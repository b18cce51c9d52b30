"""What those see who watch over the service."""

import asyncio
from pathlib import Path
from typing import Final

import httpx
import pytest
from pydantic import SecretStr

from application.shared.errors import Busy
from infrastructure.memory.database import MemoryDatabase
from tests.http.api import (
    NOWHERE,
    Api,
    Caller,
    Opened,
    api_of,
    basket,
    content,
    in_memory,
    opened_memory,
    opened_sql,
    problem,
)

Samples = dict[str, float]

TOKEN: Final = "a token for those who scrape, and for nobody else"


def samples(answer: httpx.Response) -> Samples:
    """Each series and its value."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=1.0.0")
    told = (line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, value in told}


async def scraped(api: Api) -> Samples:
    return samples(await api.nobody.get("/metrics"))


async def grown(api: Api, before: Samples, series: str) -> float:
    """By how much it has grown since."""
    return (await scraped(api)).get(series, 0.0) - before.get(series, 0.0)


@in_memory
async def test_requests_are_counted_by_what_was_asked_and_not_by_whom(api: Api) -> None:
    product = await api.product()
    before = await scraped(api)
    for path in (f"/v1/products/{product['id']}", f"/v1/products/{NOWHERE}", "/nowhere", "/wp.php"):
        await api.nobody.get(path)
    await api.nobody.send("FOO", "/livez")
    labels = 'method="GET",route="/v1/products/{id}",status='
    for series, count in {
        f'tradepost_request_seconds_count{{{labels}"200"}}': 1,
        f'tradepost_request_seconds_count{{{labels}"404"}}': 1,
        'tradepost_request_seconds_count{method="GET",route="",status="404"}': 2,
        'tradepost_problems_total{code="product-not-found",status="404"}': 1,
        'tradepost_problems_total{code="not-found",status="404"}': 2,
        'tradepost_problems_total{code="method-not-allowed",status="405"}': 1,
    }.items():
        assert await grown(api, before, series) == count, series
    told = " ".join(await scraped(api))
    assert product["id"] not in told
    assert "wp.php" not in told
    assert "FOO" not in told


@in_memory
async def test_conflicts_retries_and_what_was_shed_are_counted_by_their_reasons(api: Api) -> None:
    database: MemoryDatabase = api.container.memory()
    product = await api.product(stock=1)
    before = await scraped(api)
    database.fail_next_commit(Busy())
    content(await api.customer.post("/v1/orders", basket((product, 1))), 201)
    problem(await api.customer.post("/v1/orders", basket((product, 1))), 409, "insufficient-stock")
    refused = await api.staff.patch(f"/v1/products/{product['id']}", {"name": "x"}, if_match='"77"')
    problem(refused, 412, "stale-version")
    for series in (
        'tradepost_retries_total{reason="Busy"}',
        'tradepost_problems_total{code="insufficient-stock",status="409"}',
        'tradepost_problems_total{code="stale-version",status="412"}',
    ):
        assert await grown(api, before, series) == 1, series


@in_memory
async def test_orders_are_counted_by_how_many_share_a_transaction(api: Api) -> None:
    cohorts = api.container.cohorts()
    product = await api.product(stock=9)
    before = await scraped(api)
    async with cohorts():
        orders = [
            asyncio.create_task(api.customer.post("/v1/orders", basket((product, 1))))
            for _ in range(3)
        ]
        while cohorts.waiting < 3:  # noqa: ASYNC110 - it is a number
            await asyncio.sleep(0.001)
        assert (await scraped(api))["tradepost_orders_waiting"] == 3
    for answer in await asyncio.gather(*orders):
        content(answer, 201)
    assert await grown(api, before, 'tradepost_order_batch_size_bucket{le="1.0"}') == 1
    assert await grown(api, before, "tradepost_order_batch_size_count") == 2
    assert await grown(api, before, "tradepost_order_batch_size_sum") == 4


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The name and the URL of one."""
    return request.param, request.getfixturevalue(f"{request.param}_url")


async def test_connections_are_shown_and_what_could_not_have_one(
    database: tuple[str, str],
) -> None:
    name, _ = database
    async with opened_sql(*database, pool_size=1, max_overflow=1, pool_timeout=0.05) as opened:
        api = await api_of(opened)
        engine = opened.container.engine()
        content(await api.nobody.get(f"/v1/products/{(await api.product())['id']}"), 200)
        before = await scraped(api)
        healthy = content(await api.staff.get("/health"), 200)
        async with engine.connect(), engine.connect():
            problem(await api.nobody.get("/v1/tags"), 503, "overloaded")
            stood = await scraped(api)
        assert healthy["status"] == "healthy"
        assert healthy["database"]["dialect"] == name
        assert healthy["database"]["checked_out"] == 0
        assert healthy["database"]["checked_in"] >= 1
        assert stood['tradepost_connections{pool="work",state="used"}'] == 2
        assert await grown(api, before, 'tradepost_shed_total{reason="Overloaded"}') == 1
        if name == "postgresql":
            assert stood['tradepost_connections{pool="reads",state="idle"}'] == 1


async def test_in_memory_there_is_nothing_to_be_short_of(memory: Opened) -> None:
    api = await api_of(memory)
    assert content(await api.staff.get("/health"), 200) == {
        "status": "healthy",
        "database": {
            "dialect": "memory",
            "pool_size": 0,
            "checked_in": 0,
            "checked_out": 0,
            "overflow": 0,
        },
    }


async def test_more_connections_than_are_kept_are_stress(sqlite_url: str) -> None:
    async with opened_sql("sqlite", sqlite_url, pool_size=2, max_overflow=3) as opened:
        api = await api_of(opened)
        engine = opened.container.engine()
        await api.staff.get("/health")  # has been recognised by then, which takes a connection
        async with engine.connect(), engine.connect(), engine.connect():
            stressed = content(await api.staff.get("/health"), 200)
    assert stressed == {
        "status": "stressed",
        "database": {
            "dialect": "sqlite",
            "pool_size": 2,
            "checked_in": 0,
            "checked_out": 3,
            "overflow": 1,
        },
    }


@in_memory
async def test_the_age_of_the_oldest_event_in_memory_is_told(api: Api) -> None:
    assert (await scraped(api))["tradepost_outbox_age_seconds"] > 0
    await api.storage.clear()
    assert (await scraped(api))["tradepost_outbox_age_seconds"] == 0


async def test_the_age_of_the_oldest_event_is_asked_for_now_and_then(
    database: tuple[str, str],
) -> None:
    async with opened_sql(*database) as opened:
        api = await api_of(opened)
        await api.product()
        first = (await scraped(api))["tradepost_outbox_age_seconds"]
        await opened.storage.clear()
        again = (await scraped(api))["tradepost_outbox_age_seconds"]
    assert 0 < first < again


async def test_metrics_are_there_while_the_database_is_away(
    postgresql_url: str, tmp_path: Path
) -> None:
    nowhere, _, _ = postgresql_url.partition("?host=")
    async with opened_sql("postgresql", f"{nowhere}?host={tmp_path}") as opened:
        answer = await Caller(opened.http).get("/metrics")
    assert samples(answer)["tradepost_outbox_age_seconds"] == 0


async def test_a_token_keeps_others_from_scraping() -> None:
    async with opened_memory(metrics_token=SecretStr(TOKEN)) as opened:
        api = await api_of(opened)
        for who in (api.nobody, api.admin, Caller(opened.http, token=f"{TOKEN}!")):
            problem(await who.get("/metrics"), 401, "unauthenticated")
        assert (await Caller(opened.http, token=TOKEN).get("/metrics")).is_success
