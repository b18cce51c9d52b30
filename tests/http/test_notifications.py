"""What customers are told of their orders, and that they have read it."""

from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import event

from domain.identity.user import UserId
from tests.builders import a_notification
from tests.http.api import (
    NOWHERE,
    Api,
    Caller,
    Json,
    at,
    basket,
    content,
    in_memory,
    in_sql,
    is_uuid7,
    problem,
    rows,
    transitions,
    usd,
)

INBOX: Final = "/v1/notifications"


async def told(who: Caller, query: str = "") -> list[Json]:
    return rows(await who.get(f"{INBOX}?limit=100{query}"))


async def messages(who: Caller) -> list[str]:
    return [one["message"] for one in await told(who, "&sort=created_at")]


async def test_a_customer_is_told_what_happens_to_their_orders(api: Api) -> None:
    mug, cup = await api.product(price=usd("5.00")), await api.product(price=usd("1.00"))
    body = basket((mug, 2), (cup, 1))
    order = content(await api.customer.post("/v1/orders", body), 201)
    await api.move(order, "confirmed")
    shipped = {"to": "shipped", "tracking_number": "1Z999"}
    content(await api.staff.post(transitions(order), shipped), 200)
    await api.move(order, "delivered")
    other = content(await api.customer.post("/v1/orders", body), 201)
    cancelled = {"to": "cancelled", "reason": "changed my mind"}
    content(await api.customer.post(transitions(other), cancelled), 200)

    assert await messages(api.customer) == [
        f"Order {order['number']} was placed: 3 items, 11.00 USD.",
        f"Order {order['number']} was confirmed.",
        f"Order {order['number']} was shipped; tracking number 1Z999",
        f"Order {order['number']} was delivered.",
        f"Order {other['number']} was placed: 3 items, 11.00 USD.",
        f"Order {other['number']} was cancelled: changed my mind",
    ]
    newest_first = await told(api.customer)
    assert [one["order_id"] for one in newest_first] == [other["id"]] * 2 + [order["id"]] * 4
    times = [at(one["created_at"]) for one in newest_first]
    assert times == sorted(times, reverse=True)
    for who in (api.other, api.staff, api.admin):
        assert await told(who) == []


async def test_the_customer_is_told_of_an_order_that_staff_place_for_them(api: Api) -> None:
    body = basket((await api.product(), 1)) | {"customer_id": api.other.id}
    order = content(await api.staff.post("/v1/orders", body), 201)
    [one] = await told(api.other)
    assert one["order_id"] == order["id"]
    assert await told(api.staff) == []


async def test_a_notification_has_these_members_and_no_others(api: Api) -> None:
    order = await api.order()
    [one] = await told(api.customer)
    assert {*one} == {"id", "order_id", "message", "created_at", "read_at"}
    assert is_uuid7(one["id"])
    assert (one["created_at"], one["read_at"]) == (order["placed_at"], None)
    answer = await api.customer.post(f"{INBOX}/{one['id']}/read")
    read = content(answer, 200)
    assert {**read, "read_at": None} == one
    assert at(read["read_at"]) > at(read["created_at"])
    assert answer.headers["ETag"] == '"2"'
    assert await told(api.customer) == [read]


async def test_what_is_read_once_more_keeps_its_time(api: Api) -> None:
    await api.order()
    [one] = await told(api.customer)
    path = f"{INBOX}/{one['id']}/read"
    first = await api.customer.post(path)
    async with api.unchanged():
        again = await api.customer.post(path)
    assert content(again, 200) == content(first, 200)
    assert again.headers["ETag"] == first.headers["ETag"]


async def test_the_unread_the_read_and_all(api: Api) -> None:
    for _ in range(3):
        await api.order()
    newest, middle, oldest = await told(api.customer)
    content(await api.customer.post(f"{INBOX}/{middle['id']}/read"), 200)

    async def ids(query: str) -> list[str]:
        return [one["id"] for one in await told(api.customer, query)]

    assert await ids("&unread=true") == [newest["id"], oldest["id"]]
    assert await ids("&unread=false") == [middle["id"]]
    assert await ids("") == [newest["id"], middle["id"], oldest["id"]]
    counted = await api.customer.get(f"{INBOX}?unread=true&with_total=true&limit=1")
    assert content(counted, 200)["total"] == 2
    cursor = content(counted, 200)["next_cursor"]
    other_list = await api.customer.get(f"{INBOX}?unread=false&cursor={cursor}")
    problem(other_list, 400, "invalid-cursor")


@pytest.mark.parametrize("value", ["", "1", "yes", "True", "null", "true,false"])
async def test_unread_is_true_or_false(api: Api, value: str) -> None:
    refused = await api.customer.get(f"{INBOX}?unread={value}")
    problem(refused, 422, "validation-error", "query unread")


@in_memory
@pytest.mark.parametrize("parameter", ["sort=message", "sort=read_at", "user_id=x", "dry_run=true"])
async def test_there_is_nothing_else_to_ask_for(api: Api, parameter: str) -> None:
    refused = await api.customer.get(f"{INBOX}?{parameter}")
    problem(refused, 422, "validation-error", f"query {parameter.partition('=')[0]}")


async def test_what_others_were_told_is_not_there(api: Api) -> None:
    await api.order()
    [one] = await told(api.customer)
    for who in (api.other, api.staff, api.admin):
        async with api.unchanged():
            refused = await who.post(f"{INBOX}/{one['id']}/read")
            missing = await who.post(f"{INBOX}/{NOWHERE}/read")
        for answer in (refused, missing):
            problem(answer, 404, "notification-not-found")
        assert refused.json()["detail"] == missing.json()["detail"]
    for method, path in (("GET", INBOX), ("POST", f"{INBOX}/{one['id']}/read")):
        problem(await api.nobody.send(method, path), 401, "unauthenticated")


@in_memory
async def test_reading_is_not_rehearsed(api: Api) -> None:
    await api.order()
    [one] = await told(api.customer)
    async with api.unchanged():
        refused = await api.customer.post(f"{INBOX}/{one['id']}/read?dry_run=true")
    problem(refused, 422, "validation-error", "query dry_run")


async def test_a_notification_may_be_about_no_order(api: Api) -> None:
    async with api.container.work() as work:
        news = a_notification()
        news.user_id = UserId(UUID(api.customer.id))
        work.notifications.add(news)
        await work.commit()
    [one] = await told(api.customer)
    assert (one["order_id"], one["message"]) == (None, news.message)


async def test_a_rehearsed_order_tells_nobody(api: Api) -> None:
    body = basket((await api.product(), 1))
    content(await api.customer.post("/v1/orders?dry_run=true", body), 200)
    assert await told(api.customer) == []
    order = await api.order()
    rehearsed = await api.staff.post(f"{transitions(order)}?dry_run=true", {"to": "confirmed"})
    content(rehearsed, 200)
    assert len(await told(api.customer)) == 1


async def test_a_refused_order_tells_nobody(api: Api) -> None:
    product = await api.product(stock=1)
    refused = await api.customer.post("/v1/orders", basket((product, 2)))
    problem(refused, 409, "insufficient-stock")
    assert await told(api.customer) == []
    order = await api.order(product)
    problem(
        await api.staff.post(transitions(order), {"to": "delivered"}), 409, "invalid-transition"
    )
    stale = await api.staff.post(transitions(order), {"to": "confirmed"}, if_match='"7"')
    problem(stale, 412, "stale-version")
    assert len(await told(api.customer)) == 1


async def test_a_replayed_order_is_told_of_once(api: Api) -> None:
    body = basket((await api.product(), 1))
    for _ in range(3):
        placed = content(await api.customer.post("/v1/orders", body, key="one"), 201)
        confirmed = await api.staff.post(transitions(placed), {"to": "confirmed"}, key="two")
        content(confirmed, 200)
    assert [message.rpartition(" was ")[2][:6] for message in await messages(api.customer)] == [
        "placed",
        "confir",
    ]


async def test_a_replay_of_reading_is_the_first_answer(api: Api) -> None:
    await api.order()
    [one] = await told(api.customer)
    first, again = [
        await api.customer.post(f"{INBOX}/{one['id']}/read", key="key") for _ in range(2)
    ]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])


@in_sql
async def test_an_order_is_answered_where_its_notification_could_not_be_written(api: Api) -> None:
    def refuse(_: Any, __: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("INSERT INTO notifications"):
            raise RuntimeError("no")

    product = await api.product(stock=5)
    failures, engine = api.container.telling().failures, api.container.engine().sync_engine
    before = failures["RuntimeError"]
    event.listen(engine, "before_cursor_execute", refuse)
    try:
        order = await api.order(product, quantity=2)
        moved = await api.staff.post(transitions(order), {"to": "confirmed"}, key="key")
    finally:
        event.remove(engine, "before_cursor_execute", refuse)
    assert content(moved, 200)["status"] == "confirmed"
    assert failures["RuntimeError"] - before == 2
    assert await api.stock(product) == [3]
    shown = content(await api.customer.get(f"/v1/orders/{order['id']}"), 200)
    assert (shown["status"], shown["version"]) == ("confirmed", 2)
    assert await told(api.customer) == []
    await api.move(order, "cancelled")
    assert len(await told(api.customer)) == 1
