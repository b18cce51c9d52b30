"""What holds for every answer, whatever was asked."""

import ast
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from application.identity.actor import Unauthenticated
from application.shared.errors import StorageFailure
from domain.shared.errors import DomainError
from tests.http.api import (
    ATTEMPTS,
    FORM,
    JSON,
    NOWHERE,
    Api,
    a_category,
    a_product,
    a_registration,
    an_address,
    at,
    basket,
    content,
    in_memory,
    is_uuid7,
    money,
    problem,
    rows,
    usd,
)

HTTP: Final = Path(__file__).parents[2] / "interfaces" / "http"
LAYERS: Final = ("domain.", "application.", "infrastructure.", "interfaces.")
CANARY: Final = "canary9f3"
MOST: Final = 1024 * 1024
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def test_every_id_is_a_uuid_of_version_seven(api: Api) -> None:
    category = await api.category()
    product = await api.product(category_id=category["id"])
    order = await api.order(product)
    registered = content(await api.nobody.post("/v1/users", a_registration()), 201)
    found = [category["id"], product["id"], product["category"]["id"], order["id"]]
    found += [order["items"][0]["id"], order["items"][0]["product_id"], registered["id"]]
    assert all(map(is_uuid7, found))


async def test_every_time_is_utc_to_the_microsecond(api: Api) -> None:
    category = await api.category()
    product = await api.product()
    order = await api.order(product)
    user = content(await api.nobody.post("/v1/users", a_registration()), 201)
    times = [
        thing[name] for thing in (category, product, user) for name in ("created_at", "updated_at")
    ]
    times += [order["placed_at"], order["updated_at"]]
    assert all(TIME.fullmatch(time) for time in times), times
    assert at(product["created_at"]) <= at(order["placed_at"])


@pytest.mark.parametrize(
    ("currency", "sent", "shown", "tripled"),
    [
        ("USD", "79.99", "79.99", "239.97"),
        ("USD", "80", "80.00", "240.00"),
        ("USD", 7.5, "7.50", "22.50"),
        ("JPY", "1500", "1500", "4500"),
        ("JPY", 1500, "1500", "4500"),
        ("KWD", "1.5", "1.500", "4.500"),
        ("KWD", "0.005", "0.005", "0.015"),
        ("CLF", "0.0001", "0.0001", "0.0003"),
    ],
)
async def test_money_goes_out_with_the_digits_of_its_currency(
    api: Api, currency: str, sent: Any, shown: str, tripled: str
) -> None:
    product = await api.product(price=money(sent, currency))
    assert product["price"] == money(shown, currency)
    order = await api.order(product, quantity=3)
    assert order["items"][0]["unit_price"] == money(shown, currency)
    assert order["items"][0]["line_total"] == order["total"] == money(tripled, currency)
    assert (await api.product_now(product))["price"] == money(shown, currency)
    [listed] = rows(await api.customer.get("/v1/orders"))
    assert listed["total"] == money(tripled, currency)


@in_memory
@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/users", a_registration(role="admin"), "/role"),
        ("/v1/users", a_registration(is_active=True), "/is_active"),
        ("/v1/categories", a_category(id=NOWHERE), "/id"),
        ("/v1/products", a_product(version=7), "/version"),
        ("/v1/products", a_product(price=usd("1.00") | {"tax": "7"}), "/price/tax"),
        ("/v1/products", a_product() | {"a/b~c": 1}, "/a~1b~0c"),
        ("/v1/products", a_product() | {"": 1}, "/"),
        ("/v1/products/bulk", {"items": [a_product()], "dry_run": True}, "/dry_run"),
        ("/v1/orders", {"items": [{"sku": "A", "quantity": 1, "price": 1}]}, "/items/0/price"),
        ("/v1/orders", {"items": [{"sku": "A", "quantity": 1}], "status": "paid"}, "/status"),
        (
            "/v1/orders",
            {"items": [{"sku": "A", "quantity": 1}], "shipping_address": an_address(zip="1")},
            "/shipping_address/zip",
        ),
    ],
)  # fmt: skip
async def test_an_unknown_member_is_refused_and_pointed_at(
    api: Api, path: str, body: Any, pointer: str
) -> None:
    async with api.unchanged():
        refused = await api.staff.post(path, body)
    problem(refused, 422, "validation-error", pointer)


@in_memory
@pytest.mark.parametrize("member", ["stock", "version", "id", "created_at", "deleted_at"])
async def test_what_is_no_ones_to_patch_is_unknown_to_a_patch(api: Api, member: str) -> None:
    product = await api.product()
    async with api.unchanged():
        refused = await api.staff.patch(f"/v1/products/{product['id']}", {member: product[member]})
    problem(refused, 422, "validation-error", f"/{member}")


@in_memory
async def test_all_unknown_parameters_are_named_at_once(api: Api) -> None:
    refused = await api.nobody.get("/v1/products?colour=red&page=2&limit=3")
    problem(refused, 422, "validation-error", "query colour", "query page")


@in_memory
@pytest.mark.parametrize("name", ["a", "A.b_c-9", "0" * 64])
async def test_a_request_id_is_taken_and_echoed(api: Api, name: str) -> None:
    for path in ("/livez", "/v1/products", f"/v1/products/{NOWHERE}", "/nowhere", "/docs"):
        answered = await api.nobody.get(path, headers={"X-Request-Id": name})
        assert answered.headers.get_list("X-Request-Id") == [name]
        if answered.is_error:
            assert answered.json()["request_id"] == name


@in_memory
@pytest.mark.parametrize(
    "unfit", ["", " ", "0" * 65, "a b", "a/b", "a;b", "ä", "{}", "a\tb", '"a"', "${jndi:x}"]
)
async def test_a_request_id_of_another_form_is_replaced(api: Api, unfit: str) -> None:
    answered = await api.nobody.get("/nowhere", headers={"X-Request-Id": unfit})
    made = answered.headers["X-Request-Id"]
    assert made != unfit
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", made)
    assert answered.json()["request_id"] == made


@in_memory
async def test_each_request_without_an_id_is_given_one_of_its_own(api: Api) -> None:
    answers = [await api.nobody.get("/livez") for _ in range(10)]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 10


@in_memory
@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/v1",
        "/v2/products",
        "/V1/products",
        "/v1/products/x/y",
        "/problems/no-such-problem",
        "/docs/assets/no-such-file.css",
        "/docs/assets/../routes",
        "/docs/assets/%2e%2e/%2e%2e/pyproject",
        "/docs/assets/%00",
        "//v1/products",
        "//evil.example/v1/products",
    ],
)
async def test_what_is_not_there_is_a_problem(api: Api, path: str) -> None:
    refused = await api.nobody.get(f"http://shop{path}")
    problem(refused, 404, "not-found")


@in_memory
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/", {"GET"}),
        ("/livez", {"GET"}),
        ("/v1/users", {"POST"}),
        ("/v1/auth/token", {"POST"}),
        ("/v1/categories", {"GET", "POST"}),
        (f"/v1/categories/{NOWHERE}", {"GET", "PATCH", "PUT", "DELETE"}),
        (f"/v1/categories/{NOWHERE}/products", {"GET"}),
        ("/v1/categories/tree", {"GET"}),
        ("/v1/tags", {"GET", "POST"}),
        (f"/v1/tags/{NOWHERE}", {"DELETE"}),
        ("/v1/products", {"GET", "POST"}),
        ("/v1/products/bulk", {"POST", "PATCH"}),
        ("/v1/products/by-sku/A", {"GET"}),
        ("/v1/products/by-slug/a", {"GET"}),
        (f"/v1/products/{NOWHERE}", {"GET", "PATCH", "PUT", "DELETE"}),
        (f"/v1/products/{NOWHERE}/restore", {"POST"}),
        (f"/v1/products/{NOWHERE}/stock", {"POST"}),
        (f"/v1/products/{NOWHERE}/stock-movements", {"GET"}),
        ("/v1/orders", {"GET", "POST"}),
        (f"/v1/orders/{NOWHERE}", {"GET"}),
        (f"/v1/orders/{NOWHERE}/transitions", {"POST"}),
        ("/v1/openapi.json", {"GET"}),
        ("/docs/assets/swagger-ui.css", {"GET", "HEAD"}),
    ],
)
@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "FOO", "LINK", "OPTIONS"])
async def test_a_method_that_does_not_fit_is_told_every_one_that_does(
    api: Api, path: str, methods: set[str], method: str
) -> None:
    refused = await api.staff.send(method, path)
    problem(refused, 405, "method-not-allowed")
    assert methods <= {*refused.headers["Allow"].split(", ")}
    for other in {*refused.headers["Allow"].split(", ")}:
        assert (await api.nobody.send(other, path)).status_code != 405


@in_memory
async def test_a_path_with_a_meaning_of_its_own_is_not_taken_for_an_id(api: Api) -> None:
    async with api.unchanged():
        refused = await api.staff.put("/v1/products/bulk", a_product())
    problem(refused, 405, "method-not-allowed")
    assert refused.headers["Allow"] == "PATCH, POST"


@in_memory
async def test_a_body_that_is_said_to_be_too_long_is_not_read(api: Api) -> None:
    async def unread() -> AsyncIterator[bytes]:
        pytest.fail("it was read")
        yield b""

    async with api.unchanged():
        refused = await api.staff.post(
            "/v1/products", content=unread(), headers={"Content-Length": str(MOST + 1)}
        )
    problem(refused, 413, "payload-too-large")


@in_memory
@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("POST", "/v1/products", JSON),
        ("PATCH", f"/v1/products/{NOWHERE}", JSON),
        ("POST", "/v1/auth/token", FORM),
    ],
)
async def test_a_body_that_grows_too_long_is_cut_off(
    api: Api, method: str, path: str, content_type: str
) -> None:
    pieces = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal pieces
        while True:
            pieces += 1
            yield b" " * 65_536

    async with api.unchanged():
        refused = await api.staff.send(method, path, content=endless(), content_type=content_type)
    problem(refused, 413, "payload-too-large")
    assert pieces == MOST // 65_536 + 1


@in_memory
async def test_the_longest_body_is_read(api: Api) -> None:
    text = b'{"sku": "A", "name": "x", "price": {"amount": 1, "currency": "USD"}'
    longest = text + b" " * (MOST - len(text) - 1) + b"}"
    assert len(longest) == MOST
    content(await api.staff.post("/v1/products", content=longest), 201)


@in_memory
@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/json",
        "application/xml",
        "application/vnd.shop+json",
        "application/merge-patch+json",
        "application/jsonp",
        "application/json; charset=latin1",
        "application/json; charset=utf-16",
        "application/json; version=2",
        FORM,
        "multipart/form-data; boundary=x",
        "*/*",
        "",
    ],
)
async def test_another_content_type_is_not_taken(api: Api, content_type: str) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", a_product(), content_type=content_type)
    problem(refused, 415, "unsupported-media-type")


@in_memory
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
async def test_a_compressed_body_is_not_taken(api: Api, encoding: str) -> None:
    async with api.unchanged():
        refused = await api.staff.post(
            "/v1/products", a_product(), headers={"Content-Encoding": encoding}
        )
    problem(refused, 415, "unsupported-media-type")


@in_memory
@pytest.mark.parametrize(
    "content_type",
    [
        JSON,
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
    ],
)
async def test_json_in_utf8_is_taken_however_that_is_written(api: Api, content_type: str) -> None:
    created = await api.staff.post("/v1/products", a_product(), content_type=content_type)
    content(created, 201)


@in_memory
@pytest.mark.parametrize("content_type", [JSON, "application/merge-patch+json"])
async def test_a_patch_is_json_or_says_that_it_is_a_merge_patch(
    api: Api, content_type: str
) -> None:
    product = await api.product()
    patched = await api.staff.patch(
        f"/v1/products/{product['id']}", {"name": "Cup"}, content_type=content_type
    )
    assert content(patched, 200)["name"] == "Cup"


@in_memory
@pytest.mark.parametrize("content_type", [JSON, "multipart/form-data; boundary=x", "text/plain"])
async def test_a_token_is_asked_for_by_form(api: Api, content_type: str) -> None:
    form = b"grant_type=password&username=staff&password=x"
    refused = await api.nobody.post("/v1/auth/token", content=form, content_type=content_type)
    problem(refused, 415, "unsupported-media-type")


def codes() -> Iterator[str]:
    """Every code that a problem can have."""
    for root in (DomainError, StorageFailure, Unauthenticated):
        for kind in _below(root):
            if kind.__module__.startswith(LAYERS) and not kind.__subclasses__():
                yield from [kind.code] if hasattr(kind, "code") else []
    for file in HTTP.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem":
                code = node.args[1]
                if isinstance(code, ast.Constant):
                    yield str(code.value)


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _below(each)


def test_codes_are_found_wherever_they_are() -> None:
    assert {"insufficient-stock", "unavailable", "invalid-credentials", "invalid-cursor"} <= {
        *codes()
    }


@in_memory
async def test_every_code_has_a_page_that_explains_it(api: Api) -> None:
    for code in {*codes()}:
        page = await api.nobody.get(f"/problems/{code}")
        assert page.status_code == 200, f"{code}: {page.text}"
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        title = code.replace("-", " ").capitalize().replace("json", "JSON")
        assert f"<h1>{title}</h1>" in page.text
        assert len(page.text) > 120, page.text


@in_memory
async def test_the_type_of_a_problem_leads_to_its_page(api: Api) -> None:
    refused = await api.nobody.get(f"/v1/products/{NOWHERE}")
    page = await api.nobody.get(problem(refused, 404, "product-not-found")["type"])
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def _with(text: str) -> list[tuple[str, str, Any, dict[str, Any]]]:
    """Requests that are refused and have this text wherever text can be."""
    form = f"grant_type=password&username={text}&password={text}".encode()
    grant = f"grant_type={text}&username=staff&password=x".encode()
    return [
        ("POST", "/v1/products", a_product(sku=f"{text} {text}"), {}),
        ("POST", "/v1/products", a_product(name=text * 100), {}),
        ("POST", "/v1/products", a_product(name=f"{text}\0"), {}),
        ("POST", "/v1/products", a_product(price=usd(text)), {}),
        ("POST", "/v1/products", a_product(price=money("1.00", text)), {}),
        ("POST", "/v1/products", a_product(stock=text), {}),
        ("POST", "/v1/products", a_product(category_id=text), {}),
        ("POST", "/v1/products", a_product(metadata=text), {}),
        ("POST", "/v1/products", a_product(metadata={"size": {text: text}}), {}),
        ("POST", "/v1/products", text, {}),
        ("POST", "/v1/products", [text], {}),
        ("POST", "/v1/products", None, {"content": f'{{"name": {text}}}'.encode()}),
        ("POST", "/v1/products", None, {"content": f'{{"{text}": 1, "{text}": 2}}'.encode()}),
        ("POST", "/v1/products", None, {"content": f'"\\x{text}"'.encode()}),
        ("POST", "/v1/products", a_product(), {"content_type": f"text/{text}"}),
        ("POST", "/v1/products", a_product(), {"key": f"{text} {text}"}),
        ("POST", "/v1/products/bulk", {"items": [a_product(sku=f"{text} ")]}, {}),
        ("POST", "/v1/products/bulk", {"items": [text], "on_error": text}, {}),
        ("POST", "/v1/users", a_registration(username=f"{text}!"), {}),
        ("POST", "/v1/users", a_registration(email=text), {}),
        ("POST", "/v1/users", a_registration(password=text), {}),
        ("POST", "/v1/users", a_registration(full_name=f"{text}\n{text}"), {}),
        ("POST", "/v1/orders", {"items": [{"sku": text, "quantity": text}]}, {}),
        ("POST", "/v1/orders", {"items": [{"product_id": text, "quantity": 1}]}, {}),
        ("POST", "/v1/orders", basket() | {"items": [], "note": [text]}, {}),
        ("POST", "/v1/orders", {"items": [], "shipping_address": {"country": text}}, {}),
        ("POST", f"/v1/orders/{NOWHERE}/transitions", {"to": text, "reason": 5}, {}),
        ("PATCH", f"/v1/products/{NOWHERE}", {"name": "x"}, {"if_match": text}),
        ("GET", f"/v1/products?limit={text}", None, {}),
        ("GET", f"/v1/products?sort={text}", None, {}),
        ("GET", f"/v1/products?cursor={text}", None, {}),
        ("GET", f"/v1/products?sku={text}!", None, {}),
        ("GET", f"/v1/orders?status={text}&customer_id={text}", None, {}),
        ("GET", f"/v1/orders?colour={text}", None, {}),
        ("POST", f"/v1/products?dry_run={text}", a_product(), {}),
        ("GET", "/v1/orders", None, {"headers": {"Authorization": f"Bearer {text}"}}),
        ("GET", "/v1/orders", None, {"headers": {"Authorization": f"Basic {text}"}}),
        ("POST", "/v1/auth/token", None, {"content": form, "content_type": FORM}),
        ("POST", "/v1/auth/token", None, {"content": grant, "content_type": FORM}),
    ]  # fmt: skip


@in_memory
@pytest.mark.parametrize("request_", _with(CANARY), ids=lambda each: f"{each[0]} {each[1]}")
async def test_what_was_sent_is_not_echoed(
    api: Api, request_: tuple[str, str, Any, dict[str, Any]]
) -> None:
    method, path, body, options = request_
    async with api.unchanged(but=ATTEMPTS):
        refused = await api.staff.send(method, path, body, **options)
    assert 400 <= refused.status_code < 500, refused.text
    assert CANARY not in refused.text.lower()
    assert CANARY not in str(refused.headers).lower()


@in_memory
async def test_a_refusal_is_short_however_long_the_request_was(api: Api) -> None:
    names = {f"{uuid4()}": "x" for _ in range(15_000)}
    for body in (a_product() | names, a_product() | {"y" * 900_000: 1}):
        refused = await api.staff.post("/v1/products", body)
        assert refused.status_code == 422
        assert len(refused.content) < 20_000
