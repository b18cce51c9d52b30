"""What may stand in a path, in a query and in a header."""

from typing import Final

import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    a_product,
    content,
    in_memory,
    problem,
    rows,
    transitions,
)

NO_IDS: Final = (
    "abc", "1", "0", "-1", "1.0", "+1", "1_0", "%201", "99999999999999999999", "null", "undefined",
    "me", "*", "%00", "%ff", "..", "%2e%2e", "%2e%2e%2f", "%2f", "..;", "%E2%80%8B", "a" * 5_000,
    NOWHERE.replace("-", ""), f"%7B{NOWHERE}%7D", f"{{{NOWHERE}}}", f"urn:uuid:{NOWHERE}",
    f"{NOWHERE}%20", f"%20{NOWHERE}", f"{NOWHERE}%0A", f"{NOWHERE}.json", NOWHERE[:-1],
    NOWHERE + "0", NOWHERE[:-1] + "g", NOWHERE.replace("-", "_"), "'%20OR%201=1--",
    "%EF%BC%90" * 36,
)  # fmt: skip


async def test_an_id_that_nothing_has_is_not_found(api: Api) -> None:
    for id in (
        NOWHERE,
        "00000000-0000-0000-0000-000000000000",
        "f" * 8 + "-ffff" * 3 + "-" + "f" * 12,
    ):
        for kind, found in (
            ("products", "product"),
            ("categories", "category"),
            ("orders", "order"),
        ):
            refused = await api.staff.get(f"/v1/{kind}/{id}")
            problem(refused, 404, f"{found}-not-found")
        for rest in ("timeline", "payments"):
            refused = await api.staff.get(f"/v1/orders/{id}/{rest}")
            problem(refused, 404, "order-not-found")


async def test_an_id_in_capitals_is_the_same(api: Api) -> None:
    product = await api.product()
    found = content(await api.nobody.get(f"/v1/products/{product['id'].upper()}"), 200)
    assert found["id"] == product["id"]


NO_LIMITS: Final = (
    "0", "-1", "101", "1000000000", "1e3", "5.0", "%2B5", "%205", "5%20", "0x5", "5_0", "%D9%A5",
    "five", "", "%00", "5%0A", "true", "9" * 30, "NaN",
)  # fmt: skip
NO_SORTS: Final = (
    "id", "-id", "password_hash", "-__class__", "version", "name;drop", "--name", "%2Bname",
    "name,price", "NAME", "", "-", "%00", "1", "name%20",
)  # fmt: skip
LISTS: Final = (
    "/v1/products", "/v1/categories", "/v1/orders", "/v1/tags", "/v1/notifications",
    f"/v1/categories/{NOWHERE}/products", f"/v1/products/{NOWHERE}/stock-movements",
    f"/v1/orders/{NOWHERE}/timeline", f"/v1/orders/{NOWHERE}/payments",
)  # fmt: skip


@in_memory
@pytest.mark.parametrize(
    ("query", "name"),
    [
        *(("is_active=" + value, "is_active") for value in ("1", "yes", "True", "null", "%00")),
        *(("deleted=" + value, "deleted") for value in ("1", "yes", "False", "", "%00")),
        *(
            ("sku=" + value, "sku")
            for value in ("", "%25", "_", "A%20B", "%27", "A%00", "%FF", "A" * 51, "%5C", "A%0A")
        ),
        ("sku=A&sku=%25", "sku"),
        ("&".join(["sku=A"] * 101), "sku"),
        ("deleted=true&deleted=true", "deleted"),
    ],
    ids=lambda each: each[:30],
)
async def test_so_are_the_filters_of_products(api: Api, query: str, name: str) -> None:
    refused = await api.staff.get(f"/v1/products?{query}")
    problem(refused, 422, "validation-error", f"query {name}")


@in_memory
@pytest.mark.parametrize(
    ("query", "name"),
    [
        *(
            ("status=" + value, "status")
            for value in ("", "paid", "Pending", "pending,shipped", "%00")
        ),
        ("status=pending&status=paid", "status"),
        *(("customer_id=" + value, "customer_id") for value in ("", "me", "1", f"%7B{NOWHERE}%7D")),
        (f"customer_id={NOWHERE}&customer_id={NOWHERE}", "customer_id"),
    ],
)
async def test_and_those_of_orders(api: Api, query: str, name: str) -> None:
    refused = await api.staff.get(f"/v1/orders?{query}")
    problem(refused, 422, "validation-error", f"query {name}")


@in_memory
@pytest.mark.parametrize("many", [51, 2_000])
async def test_however_many_parameters_there_are(api: Api, many: int) -> None:
    query = "&".join(f"p{number}=1" for number in range(many))
    refused = await api.nobody.get(f"/v1/products?{query}")
    assert (refused.status_code, refused.json()["code"]) == (422, "validation-error")
    assert len(refused.content) < 20_000


@in_memory
async def test_a_name_as_long_as_the_query_is_not_repeated(api: Api) -> None:
    refused = await api.nobody.get(f"/v1/products?{'x' * 50_000}=1")
    assert (refused.status_code, len(refused.content) < 1_000) == (422, True)


@in_memory
async def test_there_is_one_idempotency_key_at_most(api: Api) -> None:
    async with api.unchanged():
        request = api.staff.http.build_request(
            "POST",
            "/v1/products",
            json=a_product(),
            headers=[
                ("Authorization", f"Bearer {api.staff.token}"),
                ("Idempotency-Key", "a"),
                ("Idempotency-Key", "b"),
            ],
        )
        refused = await api.staff.http.send(request)
    problem(refused, 400, "invalid-header", "header Idempotency-Key")


@in_memory
@pytest.mark.parametrize(
    "key", ["k", "k" * 255, '"k"', '"' + "k" * 255 + '"', "!#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"]
)
async def test_every_other_key_is_taken(api: Api, key: str) -> None:
    body = a_product()
    first = await api.staff.post("/v1/products", body, key=key)
    again = await api.staff.post("/v1/products", body, key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotent-Replayed"] == "true"


NO_TOKENS: Final = (
    "", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Basic c3RhZmY6cGFzc3dvcmQ=",
    "Token {token}", "{token}", "Bearer {token}x", "Bearer x{token}", "Bearer {token} {token}",
    "Bearer, {token}", "Bearer:{token}", "Bearer \"{token}\"", "Bearer " + "x" * 50_000, "Bearer ä",
)  # fmt: skip


@in_memory
@pytest.mark.parametrize("header", NO_TOKENS, ids=lambda header: header[:24])
async def test_a_token_that_is_none_signs_nobody_in(api: Api, header: str) -> None:
    value = header.replace("{token}", api.staff.token or "")
    for method, path in (("GET", "/v1/orders"), ("GET", "/v1/products"), ("POST", "/v1/products")):
        if header == "" and (method, path) == ("GET", "/v1/products"):
            continue  # an empty header says as little as none
        async with api.unchanged():
            refused = await api.nobody.send(
                method,
                path,
                a_product() if method == "POST" else None,
                headers={"Authorization": value},
            )
        problem(refused, 401, "unauthenticated")
        assert refused.headers["WWW-Authenticate"] == "Bearer"


@in_memory
async def test_two_tokens_sign_nobody_in(api: Api) -> None:
    headers = [("Authorization", f"Bearer {who.token}") for who in (api.staff, api.staff)]
    refused = await api.staff.http.get("/v1/orders", headers=headers)
    problem(refused, 401, "unauthenticated")


@in_memory
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_may_be_written_in_any_case(api: Api, scheme: str) -> None:
    header = {"Authorization": f"{scheme} {api.staff.token}"}
    assert rows(await api.nobody.get("/v1/orders", headers=header)) == []


@in_memory
@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "Forwarded", "X-Forwarded-Prefix"])
@pytest.mark.parametrize(
    "value", ["evil.example", "evil.example/x?y=", "a?b=/c#d", "[::1", "", " "]
)
async def test_no_header_of_the_client_gets_into_a_link(api: Api, header: str, value: str) -> None:
    lie = {header: value}
    created = await api.staff.post("/v1/products", a_product(), key="k", headers=lie)
    product = content(created, 201)
    assert created.headers["Location"] == f"/v1/products/{product['id']}"
    await api.product()
    listed = await api.nobody.get("/v1/products?limit=1", headers=lie)
    assert listed.headers["Link"].startswith("</v1/products?limit=1&cursor=")
    [last] = rows(await api.nobody.get(listed.headers["Link"][1:].partition(">")[0]))
    assert last["id"] == product["id"]
    refused = await api.nobody.get(f"/v1/orders/{NOWHERE}", headers=lie)
    assert problem(refused, 401, "unauthenticated")["instance"] == f"/v1/orders/{NOWHERE}"
    elsewhere = await api.staff.post("/v1/categories", {"name": "Cups"}, key="k", headers=lie)
    assert content(elsewhere, 201)["name"] == "Cups"


async def test_what_belongs_to_another_is_as_if_it_were_not_there(api: Api) -> None:
    order = await api.order(by=api.other)
    missing = {**order, "id": NOWHERE}
    async with api.unchanged():
        for theirs, nobodys in (
            [await api.customer.get(f"/v1/orders/{each['id']}") for each in (order, missing)],
            [
                await api.customer.post(transitions(each), {"to": "cancelled"}, if_match='"7"')
                for each in (order, missing)
            ],
        ):
            problem(theirs, 404, "order-not-found")
            assert {**theirs.json(), "instance": "", "request_id": ""} == {
                **nobodys.json(),
                "instance": "",
                "request_id": "",
            }
            assert [*theirs.headers] == [*nobodys.headers]
