"""Paying for orders: with store credit or from outside, in parts or in full."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from dependency_injector import providers

from application.identity.actor import OPERATOR, Actor
from domain.identity.user import Role, UserId
from domain.ordering.order import OrderId
from infrastructure.gateways import FakeGateway, Play
from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    at,
    basket,
    content,
    in_memory,
    is_uuid7,
    money,
    payments,
    problem,
    refunds,
    rows,
    timeline,
    transitions,
    usd,
)

CREDIT: Final[Json] = {"method": "store_credit"}
EXTERNAL: Final[Json] = {"method": "external"}


async def an_order(api: Api, total: str = "10.00", currency: str = "USD") -> Json:
    """Of the first customer, over this total."""
    return await api.order(await api.product(price=money(total, currency)))


async def state(api: Api, order: Json) -> tuple[str, str, str]:
    """Its status, what was paid, and what of it went back."""
    found = await api.order_now(order)
    return found["status"], found["paid"]["amount"], found["refunded"]["amount"]


async def test_what_was_paid_outside_is_entered_by_staff(api: Api) -> None:
    order = await an_order(api)
    body = EXTERNAL | {"amount": usd("4.00"), "reference": "Wire 17/3"}
    made = await api.staff.post(payments(order), body)
    payment = content(made, 201)
    assert payment == {
        "id": payment["id"],
        "order_id": order["id"],
        "method": "external",
        "status": "succeeded",
        "amount": usd("4.00"),
        "refunded": usd("0.00"),
        "due_back": usd("0.00"),
        "reference": "Wire 17/3",
        "failure": None,
        "created_at": payment["created_at"],
        "updated_at": payment["created_at"],
        "version": 1,
        "refunds": [],
    }
    assert is_uuid7(payment["id"])
    assert at(payment["created_at"]) > at(order["placed_at"])
    assert made.headers["Location"] == payments(order)
    assert made.headers["ETag"] == '"1"'
    for who in (api.customer, api.staff):
        assert rows(await who.get(payments(order))) == [payment]


async def test_a_customer_pays_with_the_credit_of_their_account(api: Api) -> None:
    purse, order = await api.account(holding="25.00"), await an_order(api)
    made = await api.customer.post(payments(order), CREDIT)
    payment = content(made, 201)
    assert payment == {
        "id": payment["id"],
        "order_id": order["id"],
        "method": "store_credit",
        "status": "succeeded",
        "amount": usd("10.00"),
        "refunded": usd("0.00"),
        "due_back": usd("0.00"),
        "reference": None,
        "failure": None,
        "created_at": payment["created_at"],
        "updated_at": payment["created_at"],
        "version": 1,
        "refunds": [],
    }
    assert await api.balances(purse, await api.house()) == ["15.00", "-15.00"]
    newest, _ = rows(await api.customer.get(f"/v1/accounts/{purse['id']}/entries"))
    assert (newest["amount"], newest["balance_after"]) == (usd("-10.00"), usd("15.00"))
    moved = content(await api.customer.get(f"/v1/transfers/{newest['transfer_id']}"), 200)
    assert moved["reference"] == order["number"]


async def test_staff_pay_with_the_credit_of_the_customer_not_their_own(api: Api) -> None:
    purse, own = await api.account(holding="25.00"), await api.account(api.staff.id, holding="25")
    order = await an_order(api)
    content(await api.staff.post(payments(order), CREDIT), 201)
    assert await api.balances(purse, own) == ["15.00", "25.00"]


async def test_staff_pay_for_their_own_orders_with_their_own_credit(api: Api) -> None:
    own = await api.account(api.staff.id, holding="25.00")
    order = await api.order(await api.product(price=usd("10.00")), by=api.staff)
    content(await api.staff.post(payments(order), CREDIT), 201)
    assert await api.balances(own) == ["15.00"]


@pytest.mark.parametrize("method", ["store_credit", "external"])
async def test_what_is_paid_in_full_is_confirmed_with_it(api: Api, method: str) -> None:
    await api.account(holding="25.00")
    order = await an_order(api)
    await api.pay(order, method=method)
    found = await api.order_now(order)
    assert (found["status"], found["paid"], found["refunded"]) == (
        "confirmed",
        usd("10.00"),
        usd("0.00"),
    )
    assert found["version"] == order["version"] + 1
    assert at(found["updated_at"]) > at(order["updated_at"])
    assert [(action["to"], action["allowed"]) for action in found["actions"]] == [
        ("shipped", True),
        ("cancelled", True),
    ]
    seen = await api.order_now(order, api.customer)
    assert [(action["to"], action["allowed"]) for action in seen["actions"]] == [
        ("shipped", False),
        ("cancelled", False),
    ]


async def test_what_is_paid_in_parts_is_confirmed_with_the_last_one(api: Api) -> None:
    purse, order = await api.account(holding="25.00"), await an_order(api)
    await api.pay(order, "2.50")
    assert await state(api, order) == ("pending", "2.50", "0.00")
    part = await api.customer.post(payments(order), CREDIT | {"amount": usd("7.49")})
    content(part, 201)
    assert await state(api, order) == ("pending", "9.99", "0.00")
    last = await api.customer.post(payments(order), CREDIT)
    assert content(last, 201)["amount"] == usd("0.01")
    assert await state(api, order) == ("confirmed", "10.00", "0.00")
    assert await api.balances(purse) == ["17.50"]
    assert [(each["method"], each["amount"]) for each in rows(await api.staff.get(payments(order)))
    ] == [
        ("external", usd("2.50")),
        ("store_credit", usd("7.49")),
        ("store_credit", usd("0.01")),
    ]  # fmt: skip


async def test_a_row_of_the_list_of_orders_tells_what_was_paid(api: Api) -> None:
    order = await an_order(api)
    await api.pay(order, "2.50")
    await api.refund(order, "1.00")
    [row] = rows(await api.customer.get("/v1/orders"))
    assert (row["total"], row["paid"], row["refunded"]) == (usd("10.00"), usd("2.50"), usd("1.00"))


@pytest.mark.parametrize(
    ("currency", "total", "part", "rest"),
    [("JPY", "3", "1", "2"), ("USD", "0.03", "0.01", "0.02"), ("KWD", "0.003", "0.001", "0.002")],
)
async def test_a_payment_is_exact_in_any_currency(
    api: Api, currency: str, total: str, part: str, rest: str
) -> None:
    purse = await api.account(currency=currency, holding=total)
    order = await an_order(api, total, currency)
    for body, paid in ((CREDIT | {"amount": money(part, currency)}, part), (CREDIT, rest)):
        made = await api.customer.post(payments(order), body)
        assert content(made, 201)["amount"] == money(paid, currency)
    assert await state(api, order) == ("confirmed", total, part.replace("1", "0"))
    zero = part.replace("1", "0")
    assert await api.balances(purse, await api.house(currency)) == [zero, zero]


async def test_an_amount_may_be_a_number(api: Api) -> None:
    order = await an_order(api)
    made = await api.staff.post(payments(order), EXTERNAL | {"amount": usd(2.5)})
    assert content(made, 201)["amount"] == usd("2.50")


async def test_nothing_said_is_all_that_is_due(api: Api) -> None:
    order = await an_order(api)
    body = EXTERNAL | {"amount": None, "reference": None}
    assert content(await api.staff.post(payments(order), body), 201)["amount"] == usd("10.00")


async def test_an_order_that_staff_confirmed_unpaid_can_be_paid_later(api: Api) -> None:
    order = await api.move(await an_order(api), "confirmed", "shipped", "delivered")
    await api.pay(order, "4.00")
    await api.pay(order)
    assert await state(api, order) == ("delivered", "10.00", "0.00")


async def test_no_more_is_paid_than_is_due(api: Api) -> None:
    await api.account(holding="25.00")
    order = await an_order(api)
    for method in (CREDIT, EXTERNAL):
        async with api.unchanged():
            refused = await api.staff.post(payments(order), method | {"amount": usd("10.01")})
        assert problem(refused, 409, "overpayment")["due"] == usd("10.00")
    await api.pay(order, "6.00")
    async with api.unchanged():
        refused = await api.staff.post(payments(order), EXTERNAL | {"amount": usd("4.01")})
    assert problem(refused, 409, "overpayment")["due"] == usd("4.00")
    await api.pay(order)
    for body in (EXTERNAL, CREDIT, EXTERNAL | {"amount": usd("0.01")}):
        async with api.unchanged():
            refused = await api.staff.post(payments(order), body)
        assert problem(refused, 409, "overpayment")["due"] == usd("0.00")


async def test_what_costs_nothing_is_not_paid(api: Api) -> None:
    order = await an_order(api, "0.00")
    async with api.unchanged():
        refused = await api.staff.post(payments(order), EXTERNAL)
    assert problem(refused, 409, "overpayment")["due"] == usd("0.00")
    assert (await api.move(order, "confirmed"))["status"] == "confirmed"


async def test_too_little_credit_pays_nothing(api: Api) -> None:
    order = await an_order(api)

    async def refused(who: str, body: Json) -> Json:
        async with api.unchanged():
            answer = await getattr(api, who).post(payments(order), body)
        return problem(answer, 409, "insufficient-funds")

    for who in ("customer", "staff"):  # there is no account
        assert (await refused(who, CREDIT))["balance"] == usd("0.00")
    await api.account(currency="EUR", holding="99.00")
    assert (await refused("customer", CREDIT))["balance"] == usd("0.00")
    purse = await api.account()
    assert (await refused("customer", CREDIT))["balance"] == usd("0.00")
    await api.deposit(purse, usd("9.99"))
    assert (await refused("customer", CREDIT))["balance"] == usd("9.99")
    assert (await refused("staff", CREDIT | {"amount": usd("10")}))["balance"] == usd("9.99")
    content(await api.customer.post(payments(order), CREDIT | {"amount": usd("9.99")}), 201)
    assert (await refused("customer", CREDIT))["balance"] == usd("0.00")
    assert await state(api, order) == ("pending", "9.99", "0.00")


async def test_a_cancelled_order_takes_no_money(api: Api) -> None:
    await api.account(holding="25.00")
    order = await api.move(await an_order(api), "cancelled")
    for body in (CREDIT, EXTERNAL, EXTERNAL | {"amount": usd("10.01")}):
        async with api.unchanged():
            refused = await api.staff.post(payments(order), body)
        problem(refused, 409, "order-cancelled")


async def test_only_staff_know_what_came_from_outside(api: Api) -> None:
    order = await an_order(api)
    async with api.unchanged():
        refused = await api.customer.post(payments(order), EXTERNAL)
    problem(refused, 403, "forbidden")


@pytest.mark.parametrize("body", [CREDIT, EXTERNAL, EXTERNAL | {"amount": usd("10.01")}])
async def test_the_order_of_another_is_as_if_it_were_not_there(api: Api, body: Json) -> None:
    order = await an_order(api)
    await api.account(api.other.id, holding="25.00")
    async with api.unchanged():
        theirs = await api.other.post(payments(order), body)
        nobodys = await api.other.post(payments({"id": NOWHERE}), body)
        seen = await api.other.get(payments(order))
        missing = await api.staff.get(payments({"id": NOWHERE}))
        unknown = await api.nobody.post(payments(order), body)
    for refused in (theirs, nobodys, seen, missing):
        found = problem(refused, 404, "order-not-found")
        assert found["detail"] == "there is no such order"
    problem(unknown, 401, "unauthenticated")


async def test_cancelling_gives_the_credit_back_and_marks_the_rest_as_due(api: Api) -> None:
    purse, order = await api.account(holding="25.00"), await an_order(api)
    await api.pay(order, "3.00")
    content(await api.customer.post(payments(order), CREDIT | {"amount": usd("5.00")}), 201)
    await api.pay(order, "1.00", reference="cash")
    assert await api.balances(purse) == ["20.00"]

    cancelled = await api.customer.post(transitions(order), {"to": "cancelled", "reason": "dear"})
    moved = content(cancelled, 200)
    assert (moved["status"], moved["paid"], moved["refunded"]) == (
        "cancelled",
        usd("9.00"),
        usd("5.00"),
    )
    assert moved["version"] == order["version"] + 4
    assert await api.balances(purse, await api.house()) == ["25.00", "-25.00"]
    wire, credit, cash = rows(await api.customer.get(payments(order)))
    for payment, refunded, due_back in (
        (wire, "0.00", "3.00"),
        (credit, "5.00", "0.00"),
        (cash, "0.00", "1.00"),
    ):
        assert payment["status"] == "succeeded"
        assert (payment["refunded"], payment["due_back"]) == (usd(refunded), usd(due_back))
        assert payment["version"] == 2
        assert at(payment["updated_at"]) > at(payment["created_at"])
    assert (wire["refunds"], cash["refunds"]) == ([], [])
    [refund] = credit["refunds"]
    assert (refund["amount"], refund["reason"]) == (usd("5.00"), "dear")


async def test_what_is_cancelled_without_a_reason_is_refunded_with_one(api: Api) -> None:
    await api.account(holding="25.00")
    order = await an_order(api)
    content(await api.customer.post(payments(order), CREDIT), 201)
    await api.move(order, "cancelled")
    [payment] = rows(await api.customer.get(payments(order)))
    assert [refund["reason"] for refund in payment["refunds"]] == ["the order was cancelled"]


async def test_credit_comes_back_once_however_many_cancel(api: Api) -> None:
    purse, order = await api.account(holding="25.00"), await an_order(api)
    content(await api.customer.post(payments(order), CREDIT), 201)
    answers = await asyncio.gather(
        *(api.staff.post(transitions(order), {"to": "cancelled"}) for _ in range(10))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    assert await api.balances(purse) == ["25.00"]
    assert await state(api, order) == ("cancelled", "10.00", "10.00")


async def test_an_order_is_paid_once_however_many_pay_it(api: Api) -> None:
    purse, order = await api.account(holding="99.00"), await an_order(api)
    answers = await asyncio.gather(
        *(api.customer.post(payments(order), CREDIT) for _ in range(10)),
        *(api.staff.post(payments(order), EXTERNAL) for _ in range(10)),
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert {answer.json()["code"] for answer in answers if answer.is_error} == {"overpayment"}
    assert await state(api, order) == ("confirmed", "10.00", "0.00")
    [payment] = rows(await api.staff.get(payments(order)))
    left = "89.00" if payment["method"] == "store_credit" else "99.00"
    assert await api.balances(purse) == [left]


async def test_credit_is_spent_once_however_many_orders_it_pays(api: Api) -> None:
    purse = await api.account(holding="25.00")
    product = await api.product(price=usd("10.00"))
    orders = [await api.order(product) for _ in range(5)]
    answers = await asyncio.gather(
        *(api.customer.post(payments(order), CREDIT) for order in orders)
    )
    assert Counter(answer.status_code for answer in answers) == {201: 2, 409: 3}
    assert {answer.json()["code"] for answer in answers if answer.is_error} == {
        "insufficient-funds"
    }
    assert await api.balances(purse) == ["5.00"]


@pytest.mark.parametrize("method", ["store_credit", "external"])
async def test_a_payment_that_is_sent_again_is_made_once_and_answered_to_the_byte(
    api: Api, method: str
) -> None:
    purse, order = await api.account(holding="25.00"), await an_order(api)
    body = {"method": method, "amount": usd("4.00"), "reference": "wire"}
    first = await api.staff.post(payments(order), body, key="pay-1")
    payment = content(first, 201)
    await api.refund(order, "1.00")
    async with api.unchanged():
        again = [await api.staff.post(payments(order), body, key="pay-1") for _ in range(2)]
        other = await api.staff.post(payments(order), {"method": method}, key="pay-1")
    for answer in again:
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert (answer.status_code, answer.content) == (201, first.content)
        for name in ("Location", "ETag", "Content-Type"):
            assert answer.headers[name] == first.headers[name]
    problem(other, 422, "idempotency-key-reused")
    assert await state(api, order) == ("pending", "4.00", "1.00")
    assert await api.balances(purse) == ["22.00" if method == "store_credit" else "25.00"]
    assert [each["id"] for each in rows(await api.staff.get(payments(order)))] == [payment["id"]]


async def test_a_refusal_is_kept_as_well_even_if_it_would_go_well_by_now(api: Api) -> None:
    purse, order = await api.account(), await an_order(api)
    over = EXTERNAL | {"amount": usd("10.01")}
    poor = await api.customer.post(payments(order), CREDIT, key="poor")
    problem(poor, 409, "insufficient-funds")
    much = await api.staff.post(payments(order), over, key="much")
    problem(much, 409, "overpayment")
    await api.deposit(purse, usd("25.00"))
    await api.move(order, "cancelled")
    dead = await api.staff.post(payments(order), EXTERNAL, key="dead")
    problem(dead, 409, "order-cancelled")
    async with api.unchanged():
        for who, body, key, refused in (
            (api.customer, CREDIT, "poor", poor),
            (api.staff, over, "much", much),
            (api.staff, EXTERNAL, "dead", dead),
        ):
            again = await who.post(payments(order), body, key=key)
            assert (again.status_code, again.content) == (409, refused.content)
            assert again.headers["Idempotent-Replayed"] == "true"


async def test_what_can_be_mended_is_not_kept(api: Api) -> None:
    order = await an_order(api)
    for who, body, status in (
        (api.customer, EXTERNAL, 403),
        (api.staff, EXTERNAL | {"amount": usd("0")}, 422),
        (api.staff, EXTERNAL | {"amount": money("1", "JPY")}, 422),
        (api.staff, {"method": "cash"}, 422),
    ):
        async with api.unchanged():
            refused = await who.post(payments(order), body, key="k")
        assert refused.status_code == status, refused.text
    content(await api.staff.post(payments(order), EXTERNAL, key="k"), 201)


async def test_of_ten_copies_of_a_payment_at_once_one_is_made(api: Api) -> None:
    purse, order = await api.account(holding="25.00"), await an_order(api)
    body = CREDIT | {"amount": usd("2.00")}
    answers = await asyncio.gather(
        *(api.customer.post(payments(order), body, key="k") for _ in range(10))
    )
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert await api.balances(purse) == ["23.00"]
    assert await state(api, order) == ("pending", "2.00", "0.00")


@pytest.mark.parametrize("method", ["store_credit", "external"])
async def test_a_payment_that_is_rehearsed_moves_no_money(api: Api, method: str) -> None:
    await api.account(holding="25.00")
    order = await an_order(api)
    async with api.unchanged():
        rehearsed = await api.staff.post(payments(order) + "?dry_run=true", {"method": method})
        assert content(rehearsed, 200)["amount"] == usd("10.00")
        assert rehearsed.json()["status"] == "succeeded"
        over = {"method": method, "amount": usd("10.01")}
        refused = await api.staff.post(payments(order) + "?dry_run=true", over)
        problem(refused, 409, "overpayment")
    assert await state(api, order) == ("pending", "0.00", "0.00")


async def test_a_cancellation_that_is_rehearsed_gives_nothing_back(api: Api) -> None:
    await api.account(holding="25.00")
    order = await an_order(api)
    content(await api.customer.post(payments(order), CREDIT), 201)
    async with api.unchanged():
        rehearsed = await api.staff.post(transitions(order) + "?dry_run=true", {"to": "cancelled"})
    shown = content(rehearsed, 200)
    assert (shown["status"], shown["refunded"]) == ("cancelled", usd("10.00"))


async def test_a_version_that_was_read_before_a_payment_is_stale_after_it(api: Api) -> None:
    order = await an_order(api)
    path = f"/v1/orders/{order['id']}"
    known = await api.customer.get(path, headers={"If-None-Match": '"1"'})
    assert (known.status_code, known.content) == (304, b"")
    await api.pay(order, "1.00")
    changed = await api.customer.get(path, headers={"If-None-Match": '"1"'})
    assert (content(changed, 200)["paid"], changed.headers["ETag"]) == (usd("1.00"), '"2"')
    async with api.unchanged():
        stale = await api.staff.post(transitions(order), {"to": "cancelled"}, if_match='"1"')
    assert problem(stale, 412, "stale-version")["version"] == 2


async def test_a_payment_that_a_provider_has_yet_to_decide_about_is_pending(api: Api) -> None:
    order = await an_order(api)
    provider = FakeGateway([Play.DECLINE, Play.APPROVE_LATE])
    owner = Actor(UserId(UUID(api.customer.id)), Role.CUSTOMER)
    with api.container.gateway.override(providers.Object(provider)):
        charging = api.container.charging()
        for _ in range(2):
            await charging.charge(owner, OrderId(UUID(order["id"])))
        failed, pending = rows(await api.customer.get(payments(order)))
        assert (failed["status"], failed["failure"]) == ("failed", "the card was declined")
        assert (pending["status"], pending["failure"]) == ("pending", None)
        assert await state(api, order) == ("pending", "0.00", "0.00")
        async with api.unchanged():
            twice = await api.staff.post(payments(order), EXTERNAL)
            back = await api.staff.post(refunds(order), {"reason": "x"})
        assert problem(twice, 409, "overpayment")["due"] == usd("0.00")
        assert problem(back, 409, "refund-too-large")["refundable"] == usd("0.00")
        assert await charging.ask_again(OPERATOR, older_than=timedelta()) == 1
    settled = rows(await api.customer.get(payments(order)))[1]
    assert (settled["id"], settled["status"]) == (pending["id"], "succeeded")
    assert (settled["reference"], settled["version"]) == (f"charge-{pending['id']}", 2)
    assert await state(api, order) == ("confirmed", "10.00", "0.00")
    told = rows(await api.customer.get(timeline(order)))
    assert [(each["type"], each["reason"], each["request_id"]) for each in told[1:]] == [
        ("payment.asked", None, None),
        ("payment.failed", "the card was declined", None),
        ("payment.asked", None, None),
        ("payment.received", None, None),
        ("order.confirmed", "paid in full", None),
    ]
    assert told[-1]["actor_id"] == "00000000-0000-0000-0000-000000000000"


async def test_payments_are_listed_the_oldest_first_or_the_newest(api: Api) -> None:
    order = await an_order(api)
    made = [await api.pay(order, f"0.0{n}") for n in range(1, 8)]
    for query, expected in (
        ("", made),
        ("?sort=created_at", made),
        ("?sort=-created_at", made[::-1]),
    ):
        listed = await api.customer.get(payments(order) + query)
        assert rows(listed) == expected
        assert listed.json()["next_cursor"] is None
        assert "Link" not in listed.headers
    counted = await api.customer.get(payments(order) + "?with_total=true&limit=2&offset=3")
    assert (counted.json()["total"], rows(counted)) == (7, made[3:5])


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
async def test_a_walk_by_cursor_gives_each_payment_once_with_its_refunds(
    api: Api, sort: str
) -> None:
    order = await an_order(api)
    made = [await api.pay(order, f"0.0{n}") for n in range(1, 8)]
    for payment in made:
        await api.refund(order, "0.01", payment_id=payment["id"])
    target: str | None = payments(order) + f"?sort={sort}&limit=3"
    walked: list[Json] = []
    while target:
        page = await api.customer.get(target)
        walked += rows(page)
        link = page.headers.get("Link")
        target = link and link[1:].partition(">")[0]
    in_order = walked if sort == "created_at" else walked[::-1]
    assert [payment["id"] for payment in in_order] == [payment["id"] for payment in made]
    assert all(len(payment["refunds"]) == 1 for payment in walked)


async def test_a_cursor_of_one_list_is_none_of_another(api: Api) -> None:
    first, second = await an_order(api), await an_order(api)
    for order in (first, second):
        for _ in range(2):
            await api.pay(order, "1.00")
    page = await api.staff.get(payments(first) + "?limit=1")
    cursor = page.json()["next_cursor"]
    for elsewhere in (
        payments(second) + f"?limit=1&cursor={cursor}",
        payments(first) + f"?limit=1&sort=-created_at&cursor={cursor}",
        payments(first) + f"?limit=1&cursor={cursor[:-1]}",
    ):
        problem(await api.staff.get(elsewhere), 400, "invalid-cursor")
    assert len(rows(await api.staff.get(payments(first) + f"?cursor={cursor}"))) == 1


@in_memory
@pytest.mark.parametrize("query", ["sort=amount", "sort=at", "status=failed", "method=external"])
async def test_payments_are_looked_for_by_nothing_else(api: Api, query: str) -> None:
    order = await an_order(api)
    refused = await api.staff.get(f"{payments(order)}?{query}")
    problem(refused, 422, "validation-error", f"query {query.partition('=')[0]}")


async def test_who_has_paid_or_entered_a_payment_stays(api: Api) -> None:
    order = await an_order(api)
    await api.pay(order, "1.00")
    for user_id in (api.customer.id, api.staff.id):
        async with api.unchanged():
            refused = await api.admin.delete(f"/v1/users/{user_id}")
        problem(refused, 409, "in-use")


NO_AMOUNTS: Final[Any] = (
    *("1.001", 1.001, "1e2", "1e400", "", " 1", "1 ", "+1", "1,00", "NaN", "\x00", "x", "1" * 16),
    *(10**16, True, None, [1], {"minor": 1}, "\u0661"),
)
NO_MONEY: Final[Any] = ("1.00", 1, [], True)
NO_METHODS: Final[Any] = ("", "cash", "External", "external ", None, 1, True, [], {}, "\x00")
NO_REFERENCES: Final[Any] = ("", " ", "two\nlines", "x" * 201, "\x00", "\ud800", 7, True, [])
WRONG: Final = [
    ({"method": "store_credit", "amount": usd("0")}, "invalid-value", "/amount"),
    ({"amount": usd("0.00")}, "invalid-value", "/amount"),
    ({"amount": usd("-0.00")}, "invalid-value", "/amount"),
    ({"amount": usd("-1")}, "invalid-value", "/amount"),
    ({"amount": usd(-1)}, "invalid-value", "/amount"),
    ({"amount": money("1.00", "EUR")}, "currency-mismatch", "/amount/currency"),
    ({"amount": money("1", "JPY")}, "currency-mismatch", "/amount/currency"),
    *(({"amount": usd(each)}, "validation-error", "/amount/amount") for each in NO_AMOUNTS),
    ({"amount": {"currency": "USD"}}, "validation-error", "/amount/amount"),
    ({"amount": usd("1.00") | {"minor": 1}}, "validation-error", "/amount/minor"),
    *(({"amount": each}, "validation-error", "/amount") for each in NO_MONEY),
    *(({"method": each}, "validation-error", "/method") for each in NO_METHODS),
    *(({"reference": each}, "validation-error", "/reference") for each in NO_REFERENCES),
    ({"colour": "red"}, "validation-error", "/colour"),
    ({"payment_id": NOWHERE}, "validation-error", "/payment_id"),
    ({"status": "succeeded"}, "validation-error", "/status"),
    ({"reason": "x"}, "validation-error", "/reason"),
]


@in_memory
@pytest.mark.parametrize(("change", "code", "place"), WRONG, ids=lambda each: ascii(each)[:40])
async def test_what_is_no_payment_is_not_made(
    api: Api, change: Json, code: str, place: str
) -> None:
    await api.account(holding="25.00")
    order = await an_order(api)
    async with api.unchanged():
        refused = await api.staff.post(payments(order), EXTERNAL | change)
    found = refused.json()
    places = {error["pointer"] for error in found.get("errors", [])}
    assert places == {place}, found
    problem(refused, 422, code, *[place] * len(found["errors"]))


@in_memory
@pytest.mark.parametrize("currency", ["XXX", "usd", "", 840, None])
async def test_without_a_currency_there_is_no_amount_either(api: Api, currency: Any) -> None:
    order = await an_order(api)
    async with api.unchanged():
        body = EXTERNAL | {"amount": money("1", currency)}
        refused = await api.staff.post(payments(order), body)
    problem(refused, 422, "validation-error", "/amount/currency", "/amount/amount")


@in_memory
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b" ", 400, "malformed-json"),
        (b"{", 400, "malformed-json"),
        (b'{"method": "external", "method": "external"}', 400, "malformed-json"),
        (b'{"method": "external", "amount": {"amount": NaN, "currency": "USD"}}', 400,
         "malformed-json"),
        (b'{"method": "external", "amount": {"amount": 1e400, "currency": "USD"}}', 422,
         "validation-error"),
        (b'{"method": "external", "amount": {"amount": 1e-400, "currency": "USD"}}', 422,
         "validation-error"),
        (b'{"method": "external", "amount": {"amount": 1e99999999, "currency": "USD"}}', 422,
         "validation-error"),
        (b'{}', 422, "validation-error"),
        (b'[]', 422, "validation-error"),
        (b'null', 422, "validation-error"),
        (b'"external"', 422, "validation-error"),
    ],
)  # fmt: skip
async def test_nor_is_what_is_no_body_of_one(api: Api, body: bytes, status: int, code: str) -> None:
    order = await an_order(api)
    async with api.unchanged():
        refused = await api.staff.post(payments(order), content=body)
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text


@in_memory
async def test_a_decimal_exponent_is_no_matter_as_long_as_the_number_is_one(api: Api) -> None:
    order = await an_order(api)
    body = b'{"method": "external", "amount": {"amount": 1e-2, "currency": "USD"}}'
    assert content(await api.staff.post(payments(order), content=body), 201)["amount"] == usd(
        "0.01"
    )


@in_memory
async def test_a_reference_may_be_as_long_as_a_line(api: Api) -> None:
    order, reference = await an_order(api), "\U0001f375" * 200
    assert (await api.pay(order, reference=reference))["reference"] == reference


async def test_an_order_of_many_products_is_paid_as_one(api: Api) -> None:
    mug, cup = await api.product(price=usd("7.99")), await api.product(price=usd("0.01"))
    order = content(await api.customer.post("/v1/orders", basket((mug, 3), (cup, 2))), 201)
    payment: dict[str, Any] = await api.pay(order)
    assert payment["amount"] == order["total"] == usd("23.99")
