"""Giving back what was paid for an order: the whole, a part, or something of one payment."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any, Final

import pytest

from application.shared.clock import utc_now
from domain.identity.user import Role
from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    at,
    content,
    in_memory,
    is_uuid7,
    money,
    payments,
    problem,
    refunds,
    rows,
    usd,
)

DAMAGED: Final[Json] = {"reason": "damaged"}


async def an_order(api: Api, total: str = "10.00", currency: str = "USD") -> Json:
    """Of the first customer, over this total."""
    return await api.order(await api.product(price=money(total, currency)))


async def a_paid_order(api: Api) -> tuple[Json, Json, Json]:
    """An order that is confirmed by 4 dollars from outside and then 6 of credit, and both."""
    await api.account(holding="25.00")
    order = await an_order(api)
    wire = await api.pay(order, "4.00", reference="wire")
    return order, wire, await api.pay(order, method="store_credit")


async def state(api: Api, order: Json) -> tuple[str, str, str]:
    """Its status, what was paid, and what of it went back."""
    found = await api.order_now(order)
    return found["status"], found["paid"]["amount"], found["refunded"]["amount"]


async def purse(api: Api) -> Json:
    [account] = rows(await api.customer.get("/v1/accounts"))
    return account


async def test_all_that_was_paid_goes_back_where_it_came_from(api: Api) -> None:
    order, wire, credit = await a_paid_order(api)
    assert await api.balances(await purse(api)) == ["19.00"]
    made = await api.staff.post(refunds(order), {"reason": "Too late,\nand broken"})
    refund = content(made, 201)
    transfer_id = refund["parts"][0]["transfer_id"]
    assert refund == {
        "id": refund["id"],
        "order_id": order["id"],
        "payment_id": None,
        "amount": usd("10.00"),
        "reason": "Too late,\nand broken",
        "parts": [
            {
                "payment_id": credit["id"],
                "method": "store_credit",
                "amount": usd("6.00"),
                "transfer_id": transfer_id,
            },
            {
                "payment_id": wire["id"],
                "method": "external",
                "amount": usd("4.00"),
                "transfer_id": None,
            },
        ],
        "created_at": refund["created_at"],
        "version": 1,
    }
    assert is_uuid7(refund["id"])
    assert at(refund["created_at"]) > at(credit["created_at"])
    assert (made.headers["Location"], made.headers["ETag"]) == (payments(order), '"1"')
    assert await api.balances(await purse(api), await api.house()) == ["25.00", "-25.00"]
    moved = content(await api.customer.get(f"/v1/transfers/{transfer_id}"), 200)
    assert (moved["amount"], moved["reference"]) == (usd("6.00"), order["number"])
    assert await state(api, order) == ("confirmed", "10.00", "10.00")


async def test_a_payment_shows_what_of_it_went_back(api: Api) -> None:
    order, wire, credit = await a_paid_order(api)
    first = await api.refund(order, "1.00")
    second = await api.refund(order, "6.50", reason="lost")
    parts = [(part["payment_id"], part["amount"]["amount"]) for part in second["parts"]]
    assert parts == [(credit["id"], "5.00"), (wire["id"], "1.50")]
    assert first["payment_id"] == credit["id"]
    assert second["payment_id"] is None
    for who in (api.customer, api.staff):
        shown = rows(await who.get(payments(order)))
        assert [payment["id"] for payment in shown] == [wire["id"], credit["id"]]
        assert [payment["refunded"] for payment in shown] == [usd("1.50"), usd("6.00")]
        assert [payment["version"] for payment in shown] == [2, 3]
        assert [payment["due_back"] for payment in shown] == [usd("0.00")] * 2
        assert shown[0]["updated_at"] == second["created_at"]
        of_wire, of_credit = (payment["refunds"] for payment in shown)
        assert of_wire == [
            {
                "id": second["id"],
                "amount": usd("1.50"),
                "reason": "lost",
                "created_at": second["created_at"],
            }
        ]
        assert of_credit == [
            {
                "id": first["id"],
                "amount": usd("1.00"),
                "reason": "damaged",
                "created_at": first["created_at"],
            },
            {
                "id": second["id"],
                "amount": usd("5.00"),
                "reason": "lost",
                "created_at": second["created_at"],
            },
        ]


async def test_a_refund_may_be_of_one_payment(api: Api) -> None:
    order, wire, _ = await a_paid_order(api)
    part = await api.refund(order, "1.00", payment_id=wire["id"])
    assert (part["payment_id"], part["amount"]) == (wire["id"], usd("1.00"))
    rest = await api.refund(order, payment_id=wire["id"].upper())
    assert (rest["payment_id"], rest["amount"]) == (wire["id"], usd("3.00"))
    assert await api.balances(await purse(api)) == ["19.00"]
    assert await state(api, order) == ("confirmed", "10.00", "4.00")


async def test_what_a_pending_order_gives_back_is_due_again(api: Api) -> None:
    order = await an_order(api)
    await api.pay(order, "6.00")
    await api.refund(order, "2.00")
    async with api.unchanged():
        body = {"method": "external", "amount": usd("6.01")}
        refused = await api.staff.post(payments(order), body)
    assert problem(refused, 409, "overpayment")["due"] == usd("6.00")
    assert (await api.pay(order))["amount"] == usd("6.00")
    assert await state(api, order) == ("confirmed", "12.00", "2.00")


@pytest.mark.parametrize("steps", [(), ("shipped",), ("shipped", "delivered")])
async def test_what_a_confirmed_order_gives_back_is_not(api: Api, steps: tuple[str, ...]) -> None:
    order = await an_order(api)
    await api.pay(order)
    await api.move(order, *steps)
    await api.refund(order, "2.00")
    async with api.unchanged():
        refused = await api.staff.post(payments(order), {"method": "external"})
    assert problem(refused, 409, "overpayment")["due"] == usd("0.00")
    assert await state(api, order) == ((*("confirmed", *steps),)[-1], "10.00", "2.00")


async def test_what_is_due_back_after_a_cancellation_is_refunded_as_it_is_sent(api: Api) -> None:
    order, wire, _ = await a_paid_order(api)
    await api.move(order, "cancelled")
    assert await state(api, order) == ("cancelled", "10.00", "6.00")
    for amount, due_back in (("1.00", "3.00"), (None, "0.00")):
        await api.refund(order, amount)
        payment, _ = rows(await api.customer.get(payments(order)))
        assert (payment["id"], payment["due_back"]) == (wire["id"], usd(due_back))
    assert await state(api, order) == ("cancelled", "10.00", "10.00")
    assert await api.balances(await purse(api)) == ["25.00"]


async def test_no_more_goes_back_than_was_paid(api: Api) -> None:
    order, wire, credit = await a_paid_order(api)

    async def refundable(body: Json) -> Any:
        async with api.unchanged():
            refused = await api.staff.post(refunds(order), DAMAGED | body)
        return problem(refused, 409, "refund-too-large")["refundable"]

    assert await refundable({"amount": usd("10.01")}) == usd("10.00")
    assert await refundable({"amount": usd("4.01"), "payment_id": wire["id"]}) == usd("4.00")
    await api.refund(order, "5.00")
    assert await refundable({"amount": usd("5.01")}) == usd("5.00")
    assert await refundable({"amount": usd("1.01"), "payment_id": credit["id"]}) == usd("1.00")
    await api.refund(order)
    for body in ({}, {"amount": usd("0.01")}, {"payment_id": wire["id"]}):
        assert await refundable(body) == usd("0.00")


async def test_what_was_never_paid_is_not_given_back(api: Api) -> None:
    for order in (await an_order(api), await an_order(api, "0.00")):
        async with api.unchanged():
            refused = await api.staff.post(refunds(order), DAMAGED)
        assert problem(refused, 409, "refund-too-large")["refundable"] == usd("0.00")


async def test_a_payment_of_another_order_is_none_of_this_one(api: Api) -> None:
    order, other = await an_order(api), await an_order(api)
    await api.pay(order)
    elsewhere = await api.pay(other)
    for id in (elsewhere["id"], NOWHERE, order["id"]):
        async with api.unchanged():
            refused = await api.staff.post(refunds(order), DAMAGED | {"payment_id": id})
        problem(refused, 404, "payment-not-found")


async def test_only_staff_give_money_back(api: Api) -> None:
    order, wire, _ = await a_paid_order(api)
    for body in ({}, {"payment_id": wire["id"]}, {"payment_id": NOWHERE}, {"amount": usd("99")}):
        async with api.unchanged():
            refused = await api.customer.post(refunds(order), DAMAGED | body)
            theirs = await api.other.post(refunds(order), DAMAGED | body)
            nobodys = await api.other.post(refunds({"id": NOWHERE}), DAMAGED | body)
            unknown = await api.nobody.post(refunds(order), DAMAGED | body)
            missing = await api.staff.post(refunds({"id": NOWHERE}), DAMAGED | body)
        problem(refused, 403, "forbidden")
        for answer in (theirs, nobodys, missing):
            found = problem(answer, 404, "order-not-found")
            assert found["detail"] == "there is no such order"
        problem(unknown, 401, "unauthenticated")


async def test_refunds_are_not_listed_but_with_their_payments(api: Api) -> None:
    order = await an_order(api)
    refused = await api.staff.get(refunds(order))
    problem(refused, 405, "method-not-allowed")
    assert refused.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("currency", "total", "part", "rest"),
    [("JPY", "3", "1", "2"), ("USD", "0.03", "0.01", "0.02"), ("KWD", "0.003", "0.001", "0.002")],
)
async def test_a_refund_is_exact_in_any_currency(
    api: Api, currency: str, total: str, part: str, rest: str
) -> None:
    account = await api.account(currency=currency, holding=total)
    order = await an_order(api, total, currency)
    paid = await api.customer.post(payments(order), {"method": "store_credit"})
    content(paid, 201)
    for body, expected in (({"amount": money(part, currency)}, part), ({}, rest)):
        made = await api.staff.post(refunds(order), DAMAGED | body)
        assert content(made, 201)["amount"] == money(expected, currency)
    assert await api.balances(account) == [total]


async def test_credit_goes_back_no_matter_how_much_there_is_by_now(api: Api) -> None:
    account = await api.account(holding="10.00", currency="KWD")
    order = await an_order(api, "10.000", "KWD")
    content(await api.customer.post(payments(order), {"method": "store_credit"}), 201)
    await api.deposit(account, money("999999999999999.999", "KWD"))
    async with api.unchanged():
        refused = await api.staff.post(refunds(order), DAMAGED)
        cancelled = await api.staff.post(
            f"/v1/orders/{order['id']}/transitions", {"to": "cancelled"}
        )
    for answer in (refused, cancelled):
        largest = problem(answer, 409, "balance-too-large")["largest"]
        assert largest == money("999999999999999.999", "KWD")


async def test_of_twenty_who_refund_the_whole_one_does(api: Api) -> None:
    order, _, _ = await a_paid_order(api)
    answers = await asyncio.gather(*(api.staff.post(refunds(order), DAMAGED) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert {answer.json()["code"] for answer in answers if answer.is_error} == {"refund-too-large"}
    assert await api.balances(await purse(api), await api.house()) == ["25.00", "-25.00"]
    assert await state(api, order) == ("confirmed", "10.00", "10.00")


async def test_of_twenty_who_refund_a_part_as_many_do_as_there_is_money_for(api: Api) -> None:
    order, _, _ = await a_paid_order(api)
    body = DAMAGED | {"amount": usd("1.50")}
    answers = await asyncio.gather(*(api.staff.post(refunds(order), body) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: 6, 409: 14}
    assert await state(api, order) == ("confirmed", "10.00", "9.00")
    wire, credit = rows(await api.staff.get(payments(order)))
    assert (wire["refunded"], credit["refunded"]) == (usd("3.00"), usd("6.00"))
    assert await api.balances(await purse(api)) == ["25.00"]


async def test_a_refund_that_is_sent_again_is_made_once_and_answered_to_the_byte(
    api: Api,
) -> None:
    order, _, _ = await a_paid_order(api)
    body = DAMAGED | {"amount": usd("7.00")}
    first = await api.staff.post(refunds(order), body, key="back-1")
    content(first, 201)
    async with api.unchanged():
        again = [await api.staff.post(refunds(order), body, key="back-1") for _ in range(2)]
        other = await api.staff.post(refunds(order), DAMAGED, key="back-1")
    for answer in again:
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert (answer.status_code, answer.content) == (201, first.content)
        for name in ("Location", "ETag", "Content-Type"):
            assert answer.headers[name] == first.headers[name]
    problem(other, 422, "idempotency-key-reused")
    assert await state(api, order) == ("confirmed", "10.00", "7.00")
    assert await api.balances(await purse(api)) == ["25.00"]


async def test_a_refusal_is_kept_as_well_even_if_there_is_enough_by_now(api: Api) -> None:
    order = await an_order(api)
    refused = await api.staff.post(refunds(order), DAMAGED, key="k")
    problem(refused, 409, "refund-too-large")
    await api.pay(order)
    async with api.unchanged():
        again = await api.staff.post(refunds(order), DAMAGED, key="k")
    assert (again.status_code, again.content) == (409, refused.content)
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_what_can_be_mended_is_not_kept(api: Api) -> None:
    order = await an_order(api)
    await api.pay(order)
    for who, body, status in (
        (api.customer, DAMAGED, 403),
        (api.staff, DAMAGED | {"payment_id": NOWHERE}, 404),
        (api.staff, DAMAGED | {"amount": usd("0")}, 422),
        (api.staff, {}, 422),
    ):
        async with api.unchanged():
            refused = await who.post(refunds(order), body, key="k")
        assert refused.status_code == status, refused.text
    content(await api.staff.post(refunds(order), DAMAGED, key="k"), 201)


async def test_of_ten_copies_of_a_refund_at_once_one_is_made(api: Api) -> None:
    order, _, _ = await a_paid_order(api)
    body = DAMAGED | {"amount": usd("2.00")}
    answers = await asyncio.gather(
        *(api.staff.post(refunds(order), body, key="k") for _ in range(10))
    )
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert await state(api, order) == ("confirmed", "10.00", "2.00")


async def test_a_refund_that_is_rehearsed_moves_no_money(api: Api) -> None:
    order, _, _ = await a_paid_order(api)
    async with api.unchanged():
        rehearsed = await api.staff.post(refunds(order) + "?dry_run=true", DAMAGED)
        shown = content(rehearsed, 200)
        assert (shown["amount"], len(shown["parts"])) == (usd("10.00"), 2)
        much = DAMAGED | {"amount": usd("10.01")}
        refused = await api.staff.post(refunds(order) + "?dry_run=true", much)
        problem(refused, 409, "refund-too-large")


async def test_a_refund_makes_the_order_another_version(api: Api) -> None:
    order, _, _ = await a_paid_order(api)
    path = f"/v1/orders/{order['id']}"
    before = (await api.customer.get(path)).headers["ETag"]
    assert before == '"3"'
    assert (await api.customer.get(path, headers={"If-None-Match": before})).status_code == 304
    await api.refund(order, "1.00")
    changed = await api.customer.get(path, headers={"If-None-Match": before})
    assert content(changed, 200)["refunded"] == usd("1.00")
    assert changed.headers["ETag"] == '"4"'


async def test_who_has_given_something_back_stays(api: Api) -> None:
    order = await an_order(api)
    await api.pay(order)
    user = await api.user()
    clerk = replace(await api.signed_in(user["username"]), id=user["id"])
    await api.change(clerk, lambda user: user.promote(Role.STAFF, at=utc_now()))
    content(await clerk.post(refunds(order), DAMAGED), 201)
    async with api.unchanged():
        refused = await api.admin.delete(f"/v1/users/{clerk.id}")
    problem(refused, 409, "in-use")


NO_AMOUNTS: Final[Any] = ("1.001", 1.001, "1e2", "1e400", "", " 1", "NaN", "\x00", True, None, [1])
NO_MONEY: Final[Any] = ("1.00", 1, [], True)
NO_REASONS: Final[Any] = ("", None, "x" * 501, "\x00", "a\x1b[31m", "\ud800", 7, True, [])
NO_IDS: Final[Any] = ("", "x", 7, True, [], NOWHERE.replace("-", ""), f"{{{NOWHERE}}}", "\x00")
WRONG: Final = [
    ({"amount": usd("0")}, "invalid-value", "/amount"),
    ({"amount": usd("-0.00")}, "invalid-value", "/amount"),
    ({"amount": usd("-1")}, "invalid-value", "/amount"),
    ({"amount": money("1.00", "EUR")}, "currency-mismatch", "/amount/currency"),
    ({"amount": money("1", "JPY")}, "currency-mismatch", "/amount/currency"),
    *(({"amount": usd(each)}, "validation-error", "/amount/amount") for each in NO_AMOUNTS),
    ({"amount": {"currency": "USD"}}, "validation-error", "/amount/amount"),
    *(({"amount": each}, "validation-error", "/amount") for each in NO_MONEY),
    *(({"reason": each}, "validation-error", "/reason") for each in NO_REASONS),
    *(({"reason": each}, "invalid-value", "/reason") for each in (" ", "\n", "\u2003")),
    *(({"payment_id": each}, "validation-error", "/payment_id") for each in NO_IDS),
    ({"colour": "red"}, "validation-error", "/colour"),
    ({"method": "external"}, "validation-error", "/method"),
    ({"reference": "x"}, "validation-error", "/reference"),
]


@in_memory
@pytest.mark.parametrize(("change", "code", "place"), WRONG, ids=lambda each: ascii(each)[:40])
async def test_what_is_no_refund_is_not_made(api: Api, change: Json, code: str, place: str) -> None:
    order = await an_order(api)
    await api.pay(order)
    async with api.unchanged():
        refused = await api.staff.post(refunds(order), DAMAGED | change)
    problem(refused, 422, code, place)


@in_memory
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed-json"),
        (b'{"reason": "a", "reason": "b"}', 400, "malformed-json"),
        (b'{"reason": "a", "amount": {"amount": Infinity, "currency": "USD"}}', 400,
         "malformed-json"),
        (b'{"reason": "a", "amount": {"amount": 1e400, "currency": "USD"}}', 422,
         "validation-error"),
        (b'{"reason": "a", "amount": {"amount": 1e-400, "currency": "USD"}}', 422,
         "validation-error"),
        (b"{}", 422, "validation-error"),
        (b"[]", 422, "validation-error"),
        (b"null", 422, "validation-error"),
    ],
)  # fmt: skip
async def test_nor_is_what_is_no_body_of_one(api: Api, body: bytes, status: int, code: str) -> None:
    order = await an_order(api)
    await api.pay(order)
    async with api.unchanged():
        refused = await api.staff.post(refunds(order), content=body)
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text


@in_memory
async def test_a_reason_may_be_as_long_as_it_takes(api: Api) -> None:
    order, reason = await an_order(api), "\U0001f375" * 500
    await api.pay(order)
    assert (await api.refund(order, reason=reason))["reason"] == reason
