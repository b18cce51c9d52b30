"""A request with an Idempotency-Key has its effect once, and always the same answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
from dependency_injector import providers

from application.shared.clock import utc_now
from application.shared.idempotency import RequestKey
from domain.identity.user import Role, UserId
from tests.http.api import (
    Api,
    Caller,
    Json,
    a_product,
    a_registration,
    api_of,
    basket,
    content,
    opened_memory,
    opened_sql,
    problem,
    rows,
    transitions,
    usd,
)

KEPT: Final = ("Content-Type", "Location", "ETag")


def is_replay(again: httpx.Response, first: httpx.Response) -> bool:
    """Whether it is the first answer to the byte, and says that it is not the first."""
    if again.headers.get("Idempotent-Replayed") != "true":
        return False
    assert "Idempotent-Replayed" not in first.headers
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert [again.headers.get(name) for name in KEPT] == [first.headers.get(name) for name in KEPT]
    return True


@dataclass(frozen=True, slots=True)
class Case:
    """A request, what comes of it, and a change of the world after which it would go well."""

    status: int
    code: str | None
    path: str
    body: Any
    if_match: str | None = None


CASES: Final = {
    "a product": Case(201, None, "/v1/products", {"sku": "NEW", "name": "x", "price": usd("1")}),
    "a bulk": Case(200, None, "/v1/products/bulk", {"items": [a_product(), a_product()]}),
    "an order": Case(201, None, "/v1/orders", {"items": [{"sku": "MUG", "quantity": 2}]}),
    "a transition": Case(200, None, "/v1/orders/{order}/transitions", {"to": "confirmed"}),
    "a sku that is taken": Case(409, "duplicate", "/v1/products", a_product(sku="MUG")),
    "too few in stock": Case(
        409, "insufficient-stock", "/v1/orders", {"items": [{"sku": "MUG", "quantity": 11}]}
    ),
    "a price that changed": Case(
        409,
        "price-changed",
        "/v1/orders",
        {"items": [{"sku": "MUG", "quantity": 1}], "expected_total": usd("1")},
    ),
    "a product off sale": Case(
        409, "product-unavailable", "/v1/orders", {"items": [{"sku": "OFF", "quantity": 1}]}
    ),
    "a step that is not there": Case(
        409, "invalid-transition", "/v1/orders/{order}/transitions", {"to": "delivered"}
    ),
    "a tag": Case(201, None, "/v1/tags", {"name": "On sale"}),
    "a change of stock": Case(200, None, "/v1/products/{mug}/stock", {"change": -3}),
    "a count": Case(200, None, "/v1/products/{mug}/stock", {"set": 40, "expected": 10}),
    "a restored product": Case(200, None, "/v1/products/{gone}/restore", None),
    "a tag that is there": Case(409, "duplicate", "/v1/tags", {"name": "Red"}),
    "too few to take away": Case(
        409, "insufficient-stock", "/v1/products/{mug}/stock", {"change": -11}
    ),
    "another stock than expected": Case(
        409, "stock-changed", "/v1/products/{mug}/stock", {"set": 40, "expected": 41}
    ),
    "a name that was taken since": Case(409, "duplicate", "/v1/products/{lost}/restore", None),
    "a payment": Case(201, None, "/v1/orders/{order}/payments", {"method": "external"}),
    "a payment with credit": Case(
        201, None, "/v1/orders/{order}/payments", {"method": "store_credit", "amount": usd("2")}
    ),
    "a refund": Case(201, None, "/v1/orders/{paid}/refunds", {"reason": "lost"}),
    "a cancellation of what was paid": Case(
        200, None, "/v1/orders/{paid}/transitions", {"to": "cancelled"}
    ),
    "too much for the order": Case(
        409,
        "overpayment",
        "/v1/orders/{order}/payments",
        {"method": "external", "amount": usd("10.01")},
    ),
    "too little credit": Case(
        409, "insufficient-funds", "/v1/orders/{order}/payments", {"method": "store_credit"}
    ),
    "a payment of what is cancelled": Case(
        409, "order-cancelled", "/v1/orders/{cancelled}/payments", {"method": "external"}
    ),
    "more back than was paid": Case(
        409, "refund-too-large", "/v1/orders/{paid}/refunds", {"reason": "x", "amount": usd("6")}
    ),
    "a bulk with a sku that is taken": Case(
        409, "duplicate", "/v1/products/bulk", {"items": [a_product(), a_product(sku="MUG")]}
    ),
}


async def prepared(api: Api) -> dict[str, str]:
    """A shop in which the cases come out as they say; the ids of what they are about."""
    mug = await api.product(sku="MUG", stock=13, price=usd("5.00"))
    await api.product(sku="OFF", is_active=False)
    await api.tag("red")
    gone, lost = await api.product(), await api.product(sku="LOST")
    for product in (gone, lost):
        await api.staff.delete(f"/v1/products/{product['id']}")
    await api.product(sku="LOST")
    order = await api.order(mug, quantity=2)
    await api.account(holding="5.00")
    paid, cancelled = await api.order(mug), await api.move(await api.order(mug), "cancelled")
    await api.pay(paid, "2.00")
    await api.pay(paid, "3.00", "store_credit")
    things = {
        "mug": mug,
        "gone": gone,
        "lost": lost,
        "order": order,
        "paid": paid,
        "cancelled": cancelled,
    }
    return {name: thing["id"] for name, thing in things.items()}


async def send(who: Caller, case: Case, ids: dict[str, str], key: str) -> httpx.Response:
    path = case.path.format(**ids)
    return await who.post(path, case.body, key=key, if_match=case.if_match)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_what_is_decided_stays_decided_to_the_byte(api: Api, case: Case) -> None:
    ids = await prepared(api)
    first = await send(api.staff, case, ids, "key")
    assert first.status_code == case.status, first.text
    if case.code:
        problem(first, case.status, case.code, *_places(first))
    # The world moves on; what was answered does not.
    for product in rows(await api.nobody.get("/v1/products")):
        await api.staff.patch(
            f"/v1/products/{product['id']}", {"price": usd("1"), "sku": "X" + product["sku"]}
        )
    async with api.unchanged():
        for _ in range(3):
            assert is_replay(await send(api.staff, case, ids, "key"), first)


def _places(answer: httpx.Response) -> list[str]:
    return [error["pointer"] for error in answer.json().get("errors", [])]


MENDABLE: Final = {
    "malformed": (400, "malformed-json", {"content": b"{"}),
    "a bad header": (400, "invalid-header", {"if_match": "x"}),
    "no token": (401, "unauthenticated", {"headers": {"Authorization": "Bearer x"}}),
    "another type": (415, "unsupported-media-type", {"content_type": "text/plain"}),
    "invalid": (422, "validation-error", {"body": {"to": "lost"}}),
    "against a rule": (422, "invalid-value", {"body": {"to": "confirmed", "tracking_number": "1"}}),
    "unknown parameter": (422, "validation-error", {"params": {"colour": "red"}}),
    "stale": (412, "stale-version", {"if_match": '"7"'}),
}


@pytest.mark.parametrize(("status", "code", "fault"), MENDABLE.values(), ids=MENDABLE)
async def test_what_was_not_decided_can_be_mended_and_sent_again(
    api: Api, status: int, code: str, fault: Json
) -> None:
    order = await api.order()
    path, right = transitions(order), {"to": "confirmed"}
    async with api.unchanged():
        for _ in range(2):
            wrong = {"body": right, "key": "key"} | fault
            if "content" in fault:
                del wrong["body"]
            refused = await api.staff.post(path, **wrong)
            assert (refused.status_code, refused.json()["code"]) == (status, code)
            assert "Idempotent-Replayed" not in refused.headers
    mended = await api.staff.post(path, right, key="key")
    assert content(mended, 200)["status"] == "confirmed"
    assert is_replay(await api.staff.post(path, right, key="key"), mended)


async def test_what_was_forbidden_may_become_allowed(api: Api) -> None:
    body = a_product()
    async with api.unchanged():
        refused = await api.customer.post("/v1/products", body, key="key")
        problem(refused, 403, "forbidden")
    async with api.container.work() as work:
        user = await work.users.get(UserId(UUID(api.customer.id)))
        user.promote(Role.STAFF, at=utc_now())
        await work.commit()
    created = await api.customer.post("/v1/products", body, key="key")
    assert is_replay(await api.customer.post("/v1/products", body, key="key"), created)


async def test_what_was_not_found_may_come(api: Api) -> None:
    body = {"items": [{"sku": "MUG", "quantity": 1}]}
    async with api.unchanged():
        refused = await api.customer.post("/v1/orders", body, key="key")
        problem(refused, 404, "product-not-found")
    await api.product(sku="MUG")
    placed = await api.customer.post("/v1/orders", body, key="key")
    assert content(placed, 201)["items"][0]["sku"] == "MUG"


@pytest.mark.parametrize(
    "other",
    [
        {"body": {"items": [{"sku": "MUG", "quantity": 3}]}},
        {"body": {"items": [{"sku": "MUG", "quantity": 2}], "note": None}},
        {"content": b'{"items":[{"sku":"MUG","quantity":2}]}'},
        {"content": b'{"items": [{"quantity": 2, "sku": "MUG"}]}'},
        {"body": {"items": [{"sku": "MUG", "quantity": 11}]}},
        {"params": {"dry_run": "false"}},
    ],
)
async def test_a_key_belongs_to_one_request(api: Api, other: Json) -> None:
    await prepared(api)
    body = {"items": [{"sku": "MUG", "quantity": 2}]}
    first = await api.staff.post("/v1/orders", body, key="key")
    content(first, 201)
    async with api.unchanged():
        changed = {"body": body} | other
        if "content" in other:
            del changed["body"]
        refused = await api.staff.post("/v1/orders", key="key", **changed)
        problem(refused, 422, "idempotency-key-reused")
        assert is_replay(await api.staff.post("/v1/orders", body, key="key"), first)


async def test_a_key_belongs_to_its_caller(api: Api) -> None:
    product = await api.product()
    answers = [
        await who.post("/v1/orders", basket((product, 1)), key="key")
        for who in (api.customer, api.other, api.staff)
    ]
    assert [content(answer, 201)["customer_id"] for answer in answers] == [
        api.customer.id,
        api.other.id,
        api.staff.id,
    ]
    assert not any("Idempotent-Replayed" in answer.headers for answer in answers)
    assert await api.stock(product) == [7]


async def test_a_key_belongs_to_its_path(api: Api) -> None:
    first, second = await api.order(), await api.order()
    for order in (first, second):
        moved = await api.staff.post(transitions(order), {"to": "confirmed"}, key="key")
        assert content(moved, 200)["id"] == order["id"]
        assert "Idempotent-Replayed" not in moved.headers
    created = await api.staff.post("/v1/products", a_product(), key="key")
    assert content(created, 201)["version"] == 1


async def test_in_quotes_or_bare_a_key_is_the_same(api: Api) -> None:
    body = a_product()
    first = await api.staff.post("/v1/products", body, key='"key"')
    assert content(first, 201)["sku"] == body["sku"]
    assert is_replay(await api.staff.post("/v1/products", body, key="key"), first)
    refused = await api.staff.post("/v1/products", body, key="KEY")
    problem(refused, 409, "duplicate")


async def test_without_a_key_nothing_is_replayed(api: Api) -> None:
    product = await api.product()
    for _ in range(2):
        placed = await api.customer.post("/v1/orders", basket((product, 1)))
        assert "Idempotent-Replayed" not in placed.headers
    assert await api.stock(product) == [8]


async def test_to_get_something_a_key_makes_no_difference(api: Api) -> None:
    product = await api.product()
    path = f"/v1/products/{product['id']}"
    async with api.unchanged():
        for _ in range(2):
            assert "Idempotent-Replayed" not in (await api.staff.get(path, key="key")).headers
    for name in ("Cup", "Mug"):
        changed = await api.staff.patch(path, {"name": name}, key="key")
        assert content(changed, 200)["name"] == name


async def test_somebody_who_registers_has_no_keys_yet(api: Api) -> None:
    for _ in range(2):
        registered = await api.nobody.post("/v1/users", a_registration(), key="key")
        assert "Idempotent-Replayed" not in registered.headers
        assert registered.status_code == 201


async def test_who_is_signed_in_registers_others_once(api: Api) -> None:
    body = a_registration()
    first = await api.staff.post("/v1/users", body, key="key")
    assert content(first, 201)["role"] == "customer"
    assert is_replay(await api.staff.post("/v1/users", body, key="key"), first)


@dataclass(slots=True)
class Wound:
    """A clock that moves when it is told to."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


async def test_a_key_is_kept_for_a_day(api: Api) -> None:
    product = await api.product()
    clock = Wound(utc_now())
    with api.container.clock.override(providers.Object(clock)):
        first = await api.customer.post("/v1/orders", basket((product, 1)), key="key")
        assert content(first, 201)["version"] == 1
        clock.now += timedelta(hours=24) - timedelta(seconds=1)
        again = await api.customer.post("/v1/orders", basket((product, 1)), key="key")
        assert is_replay(again, first)
        clock.now += timedelta(seconds=1)
        other = await api.customer.post("/v1/orders", basket((product, 2)), key="key")
        assert content(other, 201)["id"] != first.json()["id"]
        again = await api.customer.post("/v1/orders", basket((product, 2)), key="key")
        assert is_replay(again, other)
    assert await api.stock(product) == [7]


async def test_twenty_copies_of_one_request_place_one_order(api: Api) -> None:
    product = await api.product()
    answers = await asyncio.gather(
        *(api.customer.post("/v1/orders", basket((product, 3)), key="key") for _ in range(20))
    )
    [first] = [answer for answer in answers if "Idempotent-Replayed" not in answer.headers]
    assert content(first, 201)["items"][0]["quantity"] == 3
    assert sum(is_replay(answer, first) for answer in answers if answer is not first) == 19
    assert await api.stock(product) == [7]
    assert await api.total("/v1/orders") == 1


async def test_ten_keys_with_five_copies_each_place_ten_orders(api: Api) -> None:
    product = await api.product(stock=8)
    answers = await asyncio.gather(
        *(
            api.customer.post("/v1/orders", basket((product, 1)), key=f"key-{n % 10}")
            for n in range(50)
        )
    )
    by_key = [
        {(answer.status_code, answer.content) for answer in answers[n::10]} for n in range(10)
    ]
    assert all(len(same) == 1 for same in by_key)
    assert sorted(status for [(status, _)] in by_key) == [201] * 8 + [409] * 2
    assert await api.stock(product) == [0]
    assert await api.total("/v1/orders") == 8


@pytest.fixture
async def impatient(url: str | None) -> AsyncIterator[Api]:
    """The service that waits a tenth of a second for whoever holds what it needs."""
    opening = (
        opened_memory(lock_timeout=0.1)
        if url is None
        else opened_sql("postgresql", url, lock_timeout=0.1)
    )
    async with opening as opened:
        yield await api_of(opened)


@pytest.fixture(params=["memory", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Of the database, if there is one."""
    if request.param == "memory":
        return None
    database: str = request.getfixturevalue("postgresql_url")
    return database


async def test_while_the_first_is_still_running_the_second_is_told_to_wait(
    impatient: Api,
) -> None:
    api = impatient
    body = a_product()
    held = RequestKey(UserId(UUID(api.staff.id)), "POST", "/v1/products", "key")
    async with api.container.work() as slow:
        assert await slow.keys.claim(held, at=utc_now()) is None
        refused = await api.staff.post("/v1/products", body, key="key")
        problem(refused, 409, "idempotency-key-in-use")
        assert int(refused.headers["Retry-After"]) >= 1
        others = await api.admin.post("/v1/products", a_product(), key="key")
        assert content(others, 201)["version"] == 1
    # The first one failed and kept nothing, so now the second may.
    assert content(await api.staff.post("/v1/products", body, key="key"), 201)["version"] == 1
