"""
Whatever fails below it, an operation is done or it is not, and says which.

Each thing that it asks its storage for fails once in its turn: with one fault after the other or,
in `make faults`, with every one of them.
"""

import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import cycle
from typing import Final
from unittest.mock import patch

import httpx
import pytest
from dependency_injector import providers

from application.shared.clock import utc_now
from infrastructure.security import JwtAccessTokens
from tests.http.api import Api, Json, Opened, api_of, problem
from tests.http.failing import COMMIT, KINDS, Failing
from tests.http.test_access import CALLERS, TABLE, Row, admin, ask, filled, operations, prepared

EVERY: Final = "TRADEPOST_TEST_EVERY_FAULT" in os.environ
KEYS: Final = ("key", None) if EVERY else ("key",)
# What no two runs have in common: ids, moments, the numbers of orders, hashes and tokens.
OWN: Final = re.compile(
    r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|ORD-\d{8}-\w{8}|\d{16}\b"
    r"|datetime\([^)]*\)|\d{4}-\d\d-\d\d[T ][\d:.]+Z?|b'.*?'|b\".*?\"|\\\\x[0-9a-f]+"
    r"|eyJ[\w.-]+|(?<=[\".])[\w-]{43}\""
)
# How often somebody fails to sign in is counted before it is known, and whatever comes of it.
ATTEMPTS: Final = ("sign_in_attempts", "Attempts")
# The one believes for a second what it was told, the other has begun a file; each has its own test.
ELSEWHERE: Final = {"ready", "metrics", "export_products"}
ITEMS: Final = {"items": [{"sku": "MUG", "quantity": 60}, {"sku": "CUP", "quantity": 1}]}
MIXED: Final = {"items": [{"id": "{product}", "name": "x"}, {"id": "{user}"}], "on_error": "skip"}
REFRESH: Final = "grant_type=refresh_token&refresh_token={refresh}"
WRONG: Final = "grant_type=password&username=staff&password=wrong"
FILE: Final = (
    b'{"sku": "NEW", "name": "x", "price": "1.00", "category": "A > B", "tags": ["c"]}\n{}'
)
ROWS: Final = [
    *(row for row in TABLE if row.operation not in ELSEWHERE),
    Row("issue_token", "/v1/auth/token", admin(200), form=REFRESH),
    Row("issue_token", "/v1/auth/token", admin(401), form=WRONG),
    Row("place_order", "/v1/orders", admin(201), ITEMS),
    Row("place_order", "/v1/orders?dry_run=true", admin(200), ITEMS),
    Row("place_order", "/v1/orders", admin(409), {"items": [{"sku": "CUP", "quantity": 9}]}),
    Row("move_order", "/v1/orders/{credited}/transitions", admin(200), {"to": "cancelled"}),
    Row("update_products", "/v1/products/bulk", admin(200), MIXED),
    Row("import_products", "/v1/products/import?on_error=skip", admin(200), file=FILE),
]


@dataclass(frozen=True, slots=True)
class Shop:
    api: Api
    failing: Failing
    things: Json
    methods: Mapping[str, str]  # of each operation
    keyed: frozenset[str]  # operations that take a key

    async def send(self, row: Row, key: str | None) -> httpx.Response:
        """What the row asks for, by the last of those who may."""
        self.api.container.recognition.reset()
        may = [who for who, status in zip(CALLERS, row.statuses, strict=True) if status < 400]
        return await ask(
            getattr(self.api, may[-1] if may else "admin"),
            self.methods[row.operation],
            filled(row.path, self.things),
            replace(row, form=filled(row.form, self.things)),
            self.things,
            key=key,
        )

    async def contents(self) -> list[str]:
        """All that is kept, but for what is different each time."""
        return sorted(OWN.sub("*", row) for row in await self.failing.contents())


@pytest.fixture(scope="module", params=KINDS)
def service(request: pytest.FixtureRequest) -> Opened:
    chosen: Opened = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture(scope="module")
async def shop(service: Opened) -> AsyncIterator[Shop]:
    container = service.container
    lasting = JwtAccessTokens(container.settings().secrets, timedelta(days=1), utc_now)
    with (
        container.tokens.override(providers.Object(lasting)),
        patch.object(container.runner(), "pause", at_once),
    ):
        async with KINDS[service.storage.name].of(service) as failing:
            yield await prepared_shop(service, failing)


async def prepared_shop(service: Opened, failing: Failing) -> "Shop":
    """Where everything goes well that is in the table."""
    api = await api_of(service)
    things = await prepared(api)
    await api.product(sku="CUP", stock=5)
    credited = await api.order()
    await api.pay(credited, "2.00", "store_credit")
    await api.pay(credited, "3.00")
    things["credited"] = credited["id"]
    things["refresh"] = (await api.grant("customer"))["refresh_token"]
    methods = {name: place.method for name, place in (await operations(api)).items()}
    keyed = frozenset(
        declared["operationId"]
        for path in service.app.openapi()["paths"].values()
        for declared in path.values()
        if any(each["name"] == "Idempotency-Key" for each in declared.get("parameters", ()))
    )
    await failing.save()
    return Shop(api, failing, things, methods, keyed)


async def at_once(_: float) -> None:
    """Who tries again need not wait."""


def told(answer: httpx.Response) -> tuple[int, str]:
    """The answer but for what is different each time."""
    return answer.status_code, OWN.sub("*", answer.text)


def without_attempts(contents: list[str]) -> list[str]:
    return [row for row in contents if not row.startswith(ATTEMPTS)]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.operation}-{row.path[-12:]}")
async def test_whatever_fails_it_is_done_or_not_done(shop: Shop, row: Row, key: str | None) -> None:
    failing, dealt = shop.failing, cycle(shop.failing.faults)
    await failing.restore()
    untouched = await shop.contents()
    with failing.at(0, ""):
        whole = told(await shop.send(row, key))
    now, asked = await shop.contents(), failing.asked
    before, after = without_attempts(untouched), without_attempts(now)
    assert whole[0] in row.statuses

    for number, what in enumerate(asked, start=1):
        doubtful = failing.doubtful if what == COMMIT else ()
        for fault in failing.faults if EVERY else (next(dealt), *doubtful):
            if now != untouched:
                await failing.restore()
            with failing.at(number, fault):
                answer = await shop.send(row, key)
            there, now = f"{fault}: {what}", await shop.contents()
            assert not failing.left_open(), there
            if told(answer) == whole:
                assert without_attempts(now) == after, there
                continue
            code = answer.json().get("code")
            if code != "idempotency-key-in-use":
                assert code == "unavailable", there
                assert fault not in failing.passing, there
            problem(answer, 409 if "key" in code else 503, code)
            assert answer.headers["Retry-After"] == "1", there
            assert without_attempts(now) in (before, after), there
            if (EVERY or what == COMMIT) and (
                without_attempts(now) == before or (key and row.operation in shop.keyed)
            ):
                assert told(await shop.send(row, key)) == whole, there
                now = await shop.contents()
                assert without_attempts(now) == after, there
