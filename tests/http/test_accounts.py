"""Store credit: accounts, what goes into them and out of them, and who may see what of it."""

import asyncio
import json
from collections import Counter
from decimal import Decimal
from typing import Any, Final

import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Caller,
    Json,
    a_transfer,
    api_of,
    at,
    content,
    in_memory,
    is_uuid7,
    money,
    opened_memory,
    problem,
    rows,
    usd,
)

LARGEST: Final = "999999999999999.999"  # of dinars, which have three decimals


def path(account: Json, rest: str = "") -> str:
    return f"/v1/accounts/{account['id']}{rest}"


async def a_purse_and_a_jar(api: Api) -> tuple[Json, Json]:
    """Ten dollars of the first customer, and the empty account of the other one."""
    return await api.account(holding="10.00"), await api.account(api.other.id)


async def entries_of(who: Caller, account: Json, query: str = "") -> list[Json]:
    return rows(await who.get(path(account, f"/entries{query}")))


async def test_an_account_is_opened_empty(api: Api) -> None:
    body = {"owner_id": api.customer.id, "currency": "KWD"}
    opened = await api.staff.post("/v1/accounts", body)
    account = content(opened, 201)
    assert account == {
        "id": account["id"],
        "owner_id": api.customer.id,
        "balance": money("0.000", "KWD"),
        "version": 1,
    }
    assert is_uuid7(account["id"])
    assert (opened.headers["Location"], opened.headers["ETag"]) == (path(account), '"1"')
    assert content(await api.customer.get(path(account)), 200) == account
    assert await entries_of(api.customer, account) == []


async def test_where_no_currency_is_named_it_is_that_of_the_shop() -> None:
    for currency in ("USD", "JPY"):
        async with opened_memory(currency=currency) as opened:
            api = await api_of(opened)
            for body in ({"owner_id": api.other.id}, {"owner_id": api.staff.id, "currency": None}):
                account = content(await api.staff.post("/v1/accounts", body), 201)
                assert account["balance"]["currency"] == currency


async def test_a_user_has_one_account_in_each_currency(api: Api) -> None:
    await api.account()
    await api.account(currency="EUR")
    await api.account(api.other.id)
    async with api.unchanged():
        body = {"owner_id": api.customer.id, "currency": "USD"}
        refused = await api.staff.post("/v1/accounts", body)
    assert problem(refused, 409, "duplicate")["field"] == "currency"


async def test_an_account_is_somebodys(api: Api) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/accounts", {"owner_id": NOWHERE})
    problem(refused, 404, "user-not-found")


@in_memory
@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "/owner_id"),
        ({"owner_id": None}, "/owner_id"),
        ({"owner_id": "x"}, "/owner_id"),
        ({"owner_id": 7}, "/owner_id"),
        ({"owner_id": NOWHERE, "currency": "usd"}, "/currency"),
        ({"owner_id": NOWHERE, "currency": "XXX"}, "/currency"),
        ({"owner_id": NOWHERE, "currency": ""}, "/currency"),
        ({"owner_id": NOWHERE, "currency": 840}, "/currency"),
        ({"owner_id": NOWHERE, "balance": usd("1")}, "/balance"),
    ],
)
async def test_what_is_no_account_is_not_opened(api: Api, body: Json, place: str) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/accounts", body)
    problem(refused, 422, "validation-error", place)


async def test_a_deposit_is_a_transfer_from_the_account_of_the_shop(api: Api) -> None:
    account = await api.account()
    body = {"amount": usd("2.50"), "reference": "gift card 17"}
    made = await api.staff.post(path(account, "/deposits"), body)
    transfer, house = content(made, 201), await api.house()
    assert transfer == {
        "id": transfer["id"],
        "from_account_id": house["id"],
        "to_account_id": account["id"],
        "amount": usd("2.50"),
        "memo": None,
        "reference": "gift card 17",
        "actor_id": api.staff.id,
        "created_at": transfer["created_at"],
        "version": 1,
    }
    assert is_uuid7(transfer["id"])
    assert at(transfer["created_at"]).tzinfo is not None
    assert made.headers["Location"] == f"/v1/transfers/{transfer['id']}"
    assert made.headers["ETag"] == '"1"'
    assert content(await api.staff.get(made.headers["Location"]), 200) == transfer
    assert await api.balances(account, house) == ["2.50", "-2.50"]
    assert (await api.account_now(account))["version"] == 2


@pytest.mark.parametrize(
    ("currency", "amount", "twice"),
    [("JPY", "1", "2"), ("USD", "0.01", "0.02"), ("KWD", "0.001", "0.002")],
)
async def test_a_deposit_is_exact_in_any_currency(
    api: Api, currency: str, amount: str, twice: str
) -> None:
    account = await api.account(currency=currency)
    for _ in range(2):
        await api.deposit(account, money(amount, currency))
    house = await api.house(currency)
    assert await api.balances(account, house) == [twice, f"-{twice}"]


async def test_a_first_deposit_that_is_rehearsed_opens_no_account_of_the_shop(api: Api) -> None:
    account = await api.account()
    async with api.unchanged():
        body = {"amount": usd("2.50"), "reference": "x"}
        rehearsed = await api.staff.post(path(account, "/deposits?dry_run=true"), body)
    assert content(rehearsed, 200)["amount"] == usd("2.50")


async def test_no_balance_exceeds_what_is_stored_safely(api: Api) -> None:
    account = await api.account(currency="KWD")
    await api.deposit(account, money(LARGEST, "KWD"))
    assert await api.balances(account) == [LARGEST]
    async with api.unchanged():
        body = {"amount": money("0.001", "KWD"), "reference": "x"}
        refused = await api.staff.post(path(account, "/deposits"), body)
    assert problem(refused, 409, "balance-too-large")["largest"] == money(LARGEST, "KWD")
    units = await api.account(currency="CLF")
    async with api.unchanged():
        body = {"amount": money("999999999999999.9999", "CLF"), "reference": "x"}
        problem(await api.staff.post(path(units, "/deposits"), body), 409, "balance-too-large")


async def test_a_customer_gives_credit_to_another(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    made = await api.customer.post(
        "/v1/transfers", a_transfer(purse, jar, usd("2.50"), memo="Happy birthday")
    )
    transfer = content(made, 201)
    assert transfer == {
        "id": transfer["id"],
        "from_account_id": purse["id"],
        "to_account_id": jar["id"],
        "amount": usd("2.50"),
        "memo": "Happy birthday",
        "reference": None,
        "actor_id": api.customer.id,
        "created_at": transfer["created_at"],
        "version": 1,
    }
    assert made.headers["Location"] == f"/v1/transfers/{transfer['id']}"
    assert made.headers["ETag"] == '"1"'
    assert await api.balances(purse, jar) == ["7.50", "2.50"]
    assert (await api.account_now(jar))["version"] == jar["version"] + 1


async def test_everything_can_be_spent_and_nothing_more(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    async with api.unchanged():
        refused = await api.customer.post("/v1/transfers", a_transfer(purse, jar, usd("10.01")))
    found = problem(refused, 409, "insufficient-funds")
    assert (found["balance"], found["amount"]) == (usd("10.00"), usd("10.01"))
    content(await api.customer.post("/v1/transfers", a_transfer(purse, jar, usd(10))), 201)
    async with api.unchanged():
        refused = await api.customer.post("/v1/transfers", a_transfer(purse, jar, usd("0.01")))
    assert problem(refused, 409, "insufficient-funds")["balance"] == usd("0.00")
    assert await api.balances(purse, jar) == ["0.00", "10.00"]


async def test_staff_moves_credit_from_any_account_and_back_to_the_shop(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    house = await api.house()
    for source, target in ((purse, jar), (jar, house), (house, purse)):
        body = a_transfer(source, target, usd("4"))
        content(await api.staff.post("/v1/transfers", body), 201)
    assert await api.balances(purse, jar, house) == ["10.00", "0.00", "-10.00"]


@pytest.mark.parametrize(
    ("amount", "status", "code", "places"),
    [
        (usd("0"), 422, "invalid-value", ["/amount"]),
        (usd(0), 422, "invalid-value", ["/amount"]),
        (usd("-0.00"), 422, "invalid-value", ["/amount"]),
        (usd("-1.00"), 422, "invalid-value", ["/amount"]),
        (usd(-1), 422, "invalid-value", ["/amount"]),
        (money("1.00", "EUR"), 422, "currency-mismatch", ["/amount/currency"]),
        (money("1", "JPY"), 422, "currency-mismatch", ["/amount/currency"]),
        (usd("1.005"), 422, "validation-error", ["/amount/amount"]),
        (usd("1.000"), 422, "validation-error", ["/amount/amount"]),
        (usd("1e400"), 422, "validation-error", ["/amount/amount"]),
        (usd("1e1"), 422, "validation-error", ["/amount/amount"]),
        (usd("NaN"), 422, "validation-error", ["/amount/amount"]),
        (usd(""), 422, "validation-error", ["/amount/amount"]),
        (usd(None), 422, "validation-error", ["/amount/amount"]),
        (usd(True), 422, "validation-error", ["/amount/amount"]),
        (usd("9" * 16), 422, "validation-error", ["/amount/amount"]),
        (money("1", "usd"), 422, "validation-error", ["/amount/amount", "/amount/currency"]),
        ("1.00", 422, "validation-error", ["/amount"]),
        (1, 422, "validation-error", ["/amount"]),
        (None, 422, "validation-error", ["/amount"]),
        (usd("10.01"), 409, "insufficient-funds", []),
        (usd("9" * 15), 409, "insufficient-funds", []),
    ],
    ids=str,
)
async def test_an_amount_that_cannot_be_moved_moves_nothing(
    api: Api, amount: Any, status: int, code: str, places: list[str]
) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    async with api.unchanged():
        body = {**a_transfer(purse, jar), "amount": amount}
        refused = await api.customer.post("/v1/transfers", body)
    problem(refused, status, code, *places)


@in_memory
@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1E+1000000", "0.005", "1.999", "1e-3", "9" * 17, "9" * 5_000]
)
async def test_nor_does_a_number_that_is_no_amount(api: Api, number: str) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    sent = json.dumps(a_transfer(purse, jar, usd("$"))).replace('"$"', number).encode()
    async with api.unchanged():
        refused = await api.customer.post("/v1/transfers", content=sent)
    problem(refused, 422, "validation-error", refused.json()["errors"][0]["pointer"])
    assert refused.json()["errors"][0]["pointer"].startswith("/amount")


async def test_no_account_gives_credit_to_itself(api: Api) -> None:
    purse, _ = await a_purse_and_a_jar(api)
    async with api.unchanged():
        refused = await api.customer.post("/v1/transfers", a_transfer(purse, purse))
    problem(refused, 422, "invalid-value", "/to_account_id")


async def test_nothing_is_exchanged(api: Api) -> None:
    purse = await api.account(holding="10.00")
    euros = await api.account(api.other.id, "EUR")
    async with api.unchanged():
        refused = await api.customer.post("/v1/transfers", a_transfer(purse, euros))
    found = problem(refused, 422, "currency-mismatch", "/to_account_id")
    assert found["currencies"] == ["EUR", "USD"]
    async with api.unchanged():
        body = {"amount": usd("1.00"), "reference": "x"}
        refused = await api.staff.post(path(euros, "/deposits"), body)
    problem(refused, 422, "currency-mismatch", "/amount/currency")


async def test_an_account_that_is_not_there_or_not_mine_is_named_and_not_found(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    nowhere, house = {"id": NOWHERE}, await api.house()
    for source, target, missing in (
        (nowhere, jar, nowhere),
        (purse, nowhere, nowhere),
        (jar, purse, jar),
        (house, purse, house),
        (jar, jar, jar),
        (nowhere, nowhere, nowhere),
    ):
        for amount in (usd("1.00"), usd("99.00")):
            async with api.unchanged():
                body = a_transfer(source, target, amount)
                refused = await api.customer.post("/v1/transfers", body)
            found = problem(refused, 404, "account-not-found")
            assert found["account_id"] == missing["id"]
            assert found["detail"] == "there is no such account"


@in_memory
@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"memo": ""}, "/memo"),
        ({"memo": " "}, "/memo"),
        ({"memo": "two\nlines"}, "/memo"),
        ({"memo": "x" * 201}, "/memo"),
        ({"memo": "\x00"}, "/memo"),
        ({"memo": 7}, "/memo"),
        ({"reference": "x"}, "/reference"),
        ({"from_account_id": None}, "/from_account_id"),
        ({"from_account_id": "x"}, "/from_account_id"),
        ({"to_account_id": 7}, "/to_account_id"),
    ],
    ids=str,
)
async def test_what_is_no_transfer_is_not_made(api: Api, change: Json, place: str) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    async with api.unchanged():
        refused = await api.customer.post("/v1/transfers", {**a_transfer(purse, jar), **change})
    problem(refused, 422, "validation-error", place)


@in_memory
@pytest.mark.parametrize(
    ("change", "code", "place"),
    [
        ({"amount": usd("0")}, "invalid-value", "/amount"),
        ({"amount": usd("-1")}, "invalid-value", "/amount"),
        ({"amount": usd("1.001")}, "validation-error", "/amount/amount"),
        ({"reference": None}, "validation-error", "/reference"),
        ({"reference": "x" * 201}, "validation-error", "/reference"),
        ({"reference": "two\nlines"}, "validation-error", "/reference"),
        ({"memo": "x"}, "validation-error", "/memo"),
    ],
    ids=str,
)
async def test_what_is_no_deposit_is_not_made(
    api: Api, change: Json, code: str, place: str
) -> None:
    account = await api.account()
    async with api.unchanged():
        body = {"amount": usd("1.00"), "reference": "x", **change}
        refused = await api.staff.post(path(account, "/deposits"), body)
    problem(refused, 422, code, place)


@in_memory
async def test_what_is_noted_may_be_as_long_as_a_line(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    memo = "\U0001f375" * 200
    made = await api.customer.post("/v1/transfers", a_transfer(purse, jar, memo=memo))
    assert content(made, 201)["memo"] == memo


async def test_neither_customer_learns_whose_the_other_account_is_or_what_is_in_it(
    api: Api,
) -> None:
    purse = await api.account(holding="10.00")
    jar = await api.account(api.other.id, holding="1234.56")
    made = await api.customer.post("/v1/transfers", a_transfer(purse, jar, memo="tea"))
    transfer = content(made, 201)
    there = f"/v1/transfers/{transfer['id']}"
    given, taken = await api.customer.get(there), await api.other.get(there)
    assert content(given, 200) == transfer
    assert content(taken, 200) == transfer | {"actor_id": None}
    assert content(await api.staff.get(there), 200) == transfer
    too_much = await api.customer.post("/v1/transfers", a_transfer(purse, jar, usd("11")))
    for answer in (made, given, await api.customer.get(path(purse, "/entries")), too_much):
        assert api.other.id not in answer.text
        assert not [secret for secret in ("1234", "1235") if secret in answer.text]
    for answer in (taken, await api.other.get(path(jar, "/entries"))):
        assert api.customer.id not in answer.text
        assert '"9.00"' not in answer.text


async def test_a_transfer_is_for_both_owners_and_for_staff(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    gift = content(await api.customer.post("/v1/transfers", a_transfer(purse, jar)), 201)
    deposit = await api.deposit(purse, usd("1.00"))
    seen = content(await api.customer.get(f"/v1/transfers/{deposit['id']}"), 200)
    assert seen == deposit | {"actor_id": None}
    for who, id in (
        (api.other, deposit["id"]),
        (api.other, NOWHERE),
        (api.staff, NOWHERE),
        (await a_third(api), gift["id"]),
    ):
        problem(await who.get(f"/v1/transfers/{id}"), 404, "transfer-not-found")


async def a_third(api: Api) -> Caller:
    return await api.signed_in((await api.user())["username"])


async def test_customers_see_their_own_accounts_and_staff_all(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    euros, house = await api.account(currency="EUR"), await api.house()
    for who, seen in (
        (api.customer, [euros, purse]),
        (api.other, [jar]),
        (await a_third(api), []),
    ):
        found = await who.get("/v1/accounts?with_total=true")
        assert rows(found) == seen
        assert found.json()["total"] == len(seen)
    assert {account["id"] for account in rows(await api.staff.get("/v1/accounts"))} == {
        account["id"] for account in (purse, jar, euros, house)
    }
    for account in (jar, house):
        for rest in ("", "/entries"):
            problem(await api.customer.get(path(account, rest)), 404, "account-not-found")


async def test_accounts_are_filtered_by_owner_and_currency(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    euros, house = await api.account(currency="EUR"), await api.house()

    async def found(who: Caller, **query: str) -> list[Json]:
        return rows(await who.get("/v1/accounts", params={"sort": "created_at", **query}))

    assert await found(api.staff, owner_id=api.customer.id) == [purse, euros]
    assert await found(api.staff, owner_id=api.customer.id, currency="EUR") == [euros]
    assert await found(api.staff, owner_id=NOWHERE) == []
    assert {each["id"] for each in await found(api.staff, currency="USD")} == {
        each["id"] for each in (purse, jar, house)
    }
    assert await found(api.customer, currency="EUR") == [euros]
    assert await found(api.customer, owner_id=api.customer.id) == [purse, euros]
    assert await found(api.customer, owner_id=api.other.id) == []


@in_memory
@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("sort=balance", "sort"),
        ("sort=at", "sort"),
        ("currency=usd", "currency"),
        ("currency=", "currency"),
        ("owner_id=x", "owner_id"),
        ("owner_id=", "owner_id"),
        ("balance=1", "balance"),
    ],
)
async def test_accounts_are_looked_for_by_nothing_else(api: Api, query: str, name: str) -> None:
    refused = await api.staff.get(f"/v1/accounts?{query}")
    problem(refused, 422, "validation-error", f"query {name}")


async def test_entries_lead_to_the_balance_the_newest_first(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    body = a_transfer(purse, jar, usd("2.50"))
    gift = content(await api.customer.post("/v1/transfers", body), 201)
    newest, oldest = await entries_of(api.customer, purse)
    assert newest == {
        "id": newest["id"],
        "transfer_id": gift["id"],
        "amount": usd("-2.50"),
        "balance_after": usd("7.50"),
        "at": gift["created_at"],
    }
    assert (oldest["amount"], oldest["balance_after"]) == (usd("10.00"), usd("10.00"))
    assert await entries_of(api.staff, purse, "?sort=at") == [oldest, newest]
    [given] = await entries_of(api.other, jar)
    assert (given["transfer_id"], given["amount"]) == (gift["id"], usd("2.50"))
    assert [each["balance_after"] for each in await entries_of(api.staff, await api.house())] == [
        usd("-10.00")
    ]


@pytest.mark.parametrize("sort", ["at", "-at"])
async def test_a_walk_by_cursor_gives_each_entry_once(api: Api, sort: str) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    for n in range(1, 8):
        body = a_transfer(purse, jar, usd(f"0.0{n}"))
        content(await api.customer.post("/v1/transfers", body), 201)
    target: str | None = path(purse, f"/entries?sort={sort}&limit=3")
    walked = []
    while target:
        page = await api.customer.get(target)
        walked += rows(page)
        link = page.headers.get("Link")
        target = link and link[1:].partition(">")[0]
    assert walked == await entries_of(api.customer, purse, f"?sort={sort}&limit=100")
    assert len(walked) == len({entry["id"] for entry in walked}) == 8
    in_order = walked if sort == "at" else walked[::-1]
    assert [entry["at"] for entry in in_order] == sorted(entry["at"] for entry in walked)
    assert in_order[-1]["balance_after"] == usd("9.72")


async def test_a_walk_by_cursor_gives_each_account_once(api: Api) -> None:
    accounts = [await api.account(currency=code) for code in ("USD", "EUR", "JPY", "KWD", "CHF")]
    first = await api.customer.get("/v1/accounts?limit=2&sort=created_at")
    assert rows(first) == accounts[:2]
    cursor = first.json()["next_cursor"]
    rest = await api.customer.get(f"/v1/accounts?limit=10&sort=created_at&cursor={cursor}")
    assert rows(rest) == accounts[2:]
    wrong = await api.customer.get(f"/v1/accounts?limit=2&cursor={cursor}")
    problem(wrong, 400, "invalid-cursor")


@in_memory
async def test_a_cursor_of_one_account_is_none_of_another(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    for _ in range(2):
        await api.deposit(purse, usd("1.00"))
    page = await api.staff.get(path(purse, "/entries?limit=1"))
    cursor = page.json()["next_cursor"]
    problem(await api.staff.get(path(jar, f"/entries?cursor={cursor}")), 400, "invalid-cursor")


async def test_what_the_client_has_already_is_not_sent_again(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    deposit = await api.deposit(jar, usd("1.00"))
    for target, version in ((path(purse), 2), (f"/v1/transfers/{deposit['id']}", 1)):
        etag = (await api.staff.get(target)).headers["ETag"]
        assert etag == f'"{version}"'
        known = await api.staff.get(target, headers={"If-None-Match": etag})
        assert (known.status_code, known.content) == (304, b"")
    content(await api.customer.post("/v1/transfers", a_transfer(purse, jar)), 201)
    changed = await api.customer.get(path(purse), headers={"If-None-Match": '"2"'})
    assert (content(changed, 200)["version"], changed.headers["ETag"]) == (3, '"3"')


async def test_a_transfer_that_is_sent_again_is_made_once_and_answered_to_the_byte(
    api: Api,
) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    body = a_transfer(purse, jar, usd("6.00"), memo="tea")
    first = await api.customer.post("/v1/transfers", body, key="tea-1")
    content(first, 201)
    async with api.unchanged():
        again = [await api.customer.post("/v1/transfers", body, key="tea-1") for _ in range(2)]
        other = await api.customer.post(
            "/v1/transfers", a_transfer(purse, jar, usd("6.01")), key="tea-1"
        )
    for answer in again:
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert (answer.status_code, answer.content) == (first.status_code, first.content)
        for name in ("Location", "ETag", "Content-Type"):
            assert answer.headers[name] == first.headers[name]
    problem(other, 422, "idempotency-key-reused")
    assert await api.balances(purse, jar) == ["4.00", "6.00"]


async def test_a_refusal_is_kept_as_well_even_if_there_is_enough_by_now(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    body = a_transfer(purse, jar, usd("11.00"))
    refused = await api.customer.post("/v1/transfers", body, key="k")
    problem(refused, 409, "insufficient-funds")
    await api.deposit(purse, usd("5.00"))
    again = await api.customer.post("/v1/transfers", body, key="k")
    assert (again.status_code, again.content) == (409, refused.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await api.balances(purse, jar) == ["15.00", "0.00"]


async def test_what_can_be_mended_is_not_kept(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    for amount, code in ((usd("0"), "invalid-value"), (money("1", "JPY"), "currency-mismatch")):
        async with api.unchanged():
            body = a_transfer(purse, jar, amount)
            refused = await api.customer.post("/v1/transfers", body, key="k")
        assert refused.json()["code"] == code
    async with api.unchanged():
        body = a_transfer(purse, {"id": NOWHERE})
        problem(await api.customer.post("/v1/transfers", body, key="k"), 404, "account-not-found")
    content(await api.customer.post("/v1/transfers", a_transfer(purse, jar), key="k"), 201)


async def test_of_ten_copies_of_a_first_deposit_at_once_one_is_made(api: Api) -> None:
    account = await api.account()
    body = {"amount": usd("5.00"), "reference": "gift card"}
    answers = await asyncio.gather(
        *(api.staff.post(path(account, "/deposits"), body, key="card-1") for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await api.balances(account, await api.house()) == ["5.00", "-5.00"]


async def test_first_deposits_at_once_come_from_one_account_of_the_shop(api: Api) -> None:
    accounts = [await api.account(), await api.account(api.other.id)]
    body = {"amount": usd("1.00"), "reference": "x"}
    answers = await asyncio.gather(
        *(api.staff.post(path(accounts[n % 2], "/deposits"), body) for n in range(10))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["from_account_id"] for answer in answers}) == 1
    assert await api.balances(*accounts, await api.house()) == ["5.00", "5.00", "-10.00"]


async def test_a_balance_is_spent_once_however_many_spend_it(api: Api) -> None:
    purse, jar = await a_purse_and_a_jar(api)
    body = a_transfer(purse, jar, usd("1.50"))
    answers = await asyncio.gather(*(api.customer.post("/v1/transfers", body) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: 6, 409: 14}
    assert await api.balances(purse, jar) == ["1.00", "9.00"]


async def test_transfers_there_and_back_at_once_do_not_block_each_other(api: Api) -> None:
    purse, jar = await api.account(holding="40.00"), await api.account(api.other.id, holding="40")
    answers = await asyncio.gather(
        *(
            api.staff.post("/v1/transfers", a_transfer(*((purse, jar) if n % 2 else (jar, purse))))
            for n in range(40)
        )
    )
    assert {answer.status_code for answer in answers} == {201}
    assert await api.balances(purse, jar) == ["40.00", "40.00"]
    balance = Decimal(0)
    for entry in await entries_of(api.staff, purse, "?sort=at&limit=100"):
        balance += Decimal(entry["amount"]["amount"])
        assert entry["balance_after"] == usd(str(balance))


async def test_whoever_has_an_account_or_moved_credit_stays(api: Api) -> None:
    account = await api.account(api.other.id)
    await api.deposit(account, usd("1.00"))
    for user_id in (api.other.id, api.staff.id):
        async with api.unchanged():
            refused = await api.admin.delete(f"/v1/users/{user_id}")
        problem(refused, 409, "in-use")


async def test_whoever_has_none_goes(api: Api) -> None:
    await a_purse_and_a_jar(api)
    user = await api.user()
    assert (await api.admin.delete(f"/v1/users/{user['id']}")).status_code == 204
