"""The document tells the truth: what it declares is what the service does."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI
from starlette.routing import Mount, Route

from tests.builders import PASSWORD
from tests.http.api import (
    FORM,
    JSON,
    NOWHERE,
    PROBLEM,
    Api,
    Caller,
    Json,
    Opened,
    a_category,
    a_product,
    a_registration,
    a_transfer,
    api_of,
    basket,
    content,
    in_memory,
    payments,
    refunds,
    rows,
    transitions,
    usd,
)

OPENAPI: Final = "/v1/openapi.json"
UNDOCUMENTED: Final = {OPENAPI, "/docs", "/docs/assets", "/problems/{code}"}
OPERATIONS: Final = {
    "index": "GET /",
    "live": "GET /livez",
    "ready": "GET /readyz",
    "health": "GET /health",
    "metrics": "GET /metrics",
    "register_user": "POST /v1/users",
    "list_users": "GET /v1/users",
    "get_own_profile": "GET /v1/users/me",
    "update_own_profile": "PATCH /v1/users/me",
    "change_own_password": "POST /v1/users/me/password",
    "list_own_sessions": "GET /v1/users/me/sessions",
    "end_own_sessions": "DELETE /v1/users/me/sessions",
    "end_own_session": "DELETE /v1/users/me/sessions/{id}",
    "create_users": "POST /v1/users/bulk",
    "deactivate_idle_users": "POST /v1/users/bulk/deactivate",
    "delete_inactive_users": "DELETE /v1/users/bulk/inactive",
    "get_user": "GET /v1/users/{id}",
    "update_user": "PATCH /v1/users/{id}",
    "replace_user": "PUT /v1/users/{id}",
    "delete_user": "DELETE /v1/users/{id}",
    "deactivate_user": "POST /v1/users/{id}/deactivate",
    "activate_user": "POST /v1/users/{id}/activate",
    "issue_token": "POST /v1/auth/token",
    "revoke_token": "POST /v1/auth/revoke",
    "list_categories": "GET /v1/categories",
    "create_category": "POST /v1/categories",
    "get_category": "GET /v1/categories/{id}",
    "update_category": "PATCH /v1/categories/{id}",
    "replace_category": "PUT /v1/categories/{id}",
    "delete_category": "DELETE /v1/categories/{id}",
    "get_category_tree": "GET /v1/categories/tree",
    "list_products_of_category": "GET /v1/categories/{id}/products",
    "list_tags": "GET /v1/tags",
    "create_tag": "POST /v1/tags",
    "delete_tag": "DELETE /v1/tags/{id}",
    "list_posts": "GET /v1/posts",
    "create_post": "POST /v1/posts",
    "get_post": "GET /v1/posts/{id}",
    "read_post": "GET /v1/posts/by-slug/{slug}",
    "update_post": "PATCH /v1/posts/{id}",
    "delete_post": "DELETE /v1/posts/{id}",
    "publish_post": "POST /v1/posts/{id}/publish",
    "archive_post": "POST /v1/posts/{id}/archive",
    "list_products": "GET /v1/products",
    "create_product": "POST /v1/products",
    "create_products": "POST /v1/products/bulk",
    "get_product": "GET /v1/products/{id}",
    "update_product": "PATCH /v1/products/{id}",
    "replace_product": "PUT /v1/products/{id}",
    "delete_product": "DELETE /v1/products/{id}",
    "update_products": "PATCH /v1/products/bulk",
    "get_product_by_sku": "GET /v1/products/by-sku/{sku}",
    "get_product_by_slug": "GET /v1/products/by-slug/{slug}",
    "restore_product": "POST /v1/products/{id}/restore",
    "change_stock": "POST /v1/products/{id}/stock",
    "list_stock_movements": "GET /v1/products/{id}/stock-movements",
    "import_products": "POST /v1/products/import",
    "export_products": "GET /v1/products/export",
    "list_accounts": "GET /v1/accounts",
    "open_account": "POST /v1/accounts",
    "get_account": "GET /v1/accounts/{id}",
    "list_entries": "GET /v1/accounts/{id}/entries",
    "make_deposit": "POST /v1/accounts/{id}/deposits",
    "make_transfer": "POST /v1/transfers",
    "get_transfer": "GET /v1/transfers/{id}",
    "place_order": "POST /v1/orders",
    "list_orders": "GET /v1/orders",
    "get_order": "GET /v1/orders/{id}",
    "get_order_by_number": "GET /v1/orders/by-number/{number}",
    "move_order": "POST /v1/orders/{id}/transitions",
    "list_happenings": "GET /v1/orders/{id}/timeline",
    "pay_order": "POST /v1/orders/{id}/payments",
    "list_payments": "GET /v1/orders/{id}/payments",
    "refund_order": "POST /v1/orders/{id}/refunds",
    "report_orders": "GET /v1/reports/orders",
    "report_top_customers": "GET /v1/reports/top-customers",
    "report_categories": "GET /v1/reports/categories",
    "report_revenue": "GET /v1/reports/revenue",
    "list_low_stock": "GET /v1/reports/low-stock",
    "report_users": "GET /v1/reports/users",
    "list_notifications": "GET /v1/notifications",
    "read_notification": "POST /v1/notifications/{id}/read",
}
HEADERS: Final[list[Json]] = [{}, {"if_match": '"77"'}, {"if_match": "x"}, {"key": "a b"}]
# Words of other dialects, which no validator of JSON Schema 2020-12 knows.
FOREIGN: Final = {"ge", "le", "gt", "lt", "nullable", "max_length", "min_length", "regex"}


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    declared: Json

    @property
    def parameters(self) -> dict[str, Json]:
        return {each["name"]: each for each in self.declared.get("parameters", [])}

    @property
    def body(self) -> dict[str, Json]:
        """By media type, what it takes."""
        found: dict[str, Json] = self.declared.get("requestBody", {}).get("content", {})
        return found


@pytest.fixture
async def document(api: Api) -> Json:
    return content(await api.nobody.get(OPENAPI), 200)


@pytest.fixture
def operations(document: Json) -> list[Operation]:
    return [
        Operation(method.upper(), path, declared)
        for path, methods in document["paths"].items()
        for method, declared in methods.items()
    ]


def schema(document: Json, reference: Json) -> Json:
    """What is behind a reference, or the schema itself."""
    if "$ref" not in reference:
        return reference
    found: Json = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def nodes(value: Any) -> Iterator[Any]:
    """The value and everything in it."""
    yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from nodes(part)


@in_memory
async def test_it_is_openapi_3_1(document: Json) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"] == "Tradepost"
    assert document["info"]["version"]


@in_memory
async def test_every_reference_leads_somewhere_and_every_schema_is_referred_to(
    document: Json,
) -> None:
    references = {
        node["$ref"] for node in nodes(document) if isinstance(node, dict) and "$ref" in node
    }
    for reference in references:
        assert schema(document, {"$ref": reference})
    assert {
        f"#/components/schemas/{name}" for name in document["components"]["schemas"]
    } == references


@in_memory
async def test_its_schemas_are_json_schema(document: Json) -> None:
    for node in nodes(document):
        if isinstance(node, dict):
            assert not FOREIGN & {*node}, node
            if "pattern" in node:
                re.compile(str(node["pattern"]))


@in_memory
async def test_every_operation_has_a_name_that_stays(operations: list[Operation]) -> None:
    found = {each.declared["operationId"]: f"{each.method} {each.path}" for each in operations}
    assert len(found) == len(operations)
    assert {name: found.get(name) for name in OPERATIONS} == OPERATIONS


def routes(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Method, path and function of every route; a mounted application has no method."""
    for route in app.routes:
        if isinstance(route, Mount):
            yield "", route.path, ""
        elif isinstance(route, Route):
            for method in route.methods or ():
                yield method, route.path, route.name


@in_memory
async def test_every_route_is_in_it_or_known_to_be_left_out(
    api: Api, operations: list[Operation]
) -> None:
    documented = {(each.method, each.path): each.declared["operationId"] for each in operations}
    found = {(method, path): name for method, path, name in routes(api.app)}
    assert {
        place: name for place, name in found.items() if place[1] not in UNDOCUMENTED
    } == documented
    assert {
        path for _, path in found if path not in {place[1] for place in documented}
    } == UNDOCUMENTED


@in_memory
async def test_every_refusal_is_a_problem_document(
    document: Json, operations: list[Operation]
) -> None:
    for each in operations:
        for status, answer in each.declared["responses"].items():
            if status >= "400":
                assert [*answer["content"]] == [PROBLEM], (each, status)
                reference = answer["content"][PROBLEM]["schema"]
                assert reference == {"$ref": "#/components/schemas/Problem"}
                assert re.fullmatch(r"[a-z-]+(, [a-z-]+)*", answer["description"])
                known = schema(document, reference)["properties"]["code"]["enum"]
                assert {*answer["description"].split(", ")} <= {*known}
        assert {"422", "500", "503"} <= {*each.declared["responses"]}
        if each.body:
            assert {"400", "413", "415"} <= {*each.declared["responses"]}


@in_memory
async def test_a_token_is_declared_where_it_is_needed_and_only_there(
    api: Api, document: Json, operations: list[Operation]
) -> None:
    schemes = document["components"]["securitySchemes"]
    assert schemes["Bearer"]["type"] == "oauth2"
    assert schemes["Bearer"]["flows"]["password"]["tokenUrl"] == "/v1/auth/token"
    for each in operations:
        body, media_type = example(document, each)
        answered = await api.nobody.send(
            each.method, filled(each.path), content=body, content_type=media_type
        )
        security = each.declared.get("security")
        if answered.status_code == 401 and answered.json()["code"] == "unauthenticated":
            assert security == [{"Bearer": []}], each
        else:
            assert security in (None, [{"Bearer": []}, {}]), each
        if security:
            assert "401" in each.declared["responses"]


def filled(path: str) -> str:
    return path.replace("{id}", NOWHERE).replace("{sku}", "NONE").replace("{slug}", "none")


def example(document: Json, operation: Operation) -> tuple[bytes | None, str]:
    """The first example of the body, as it is sent."""
    if not operation.body:
        return None, JSON
    media_type, taken = next(iter(operation.body.items()))
    form = schema(document, taken["schema"])
    if form.get("format") == "binary":
        return b"a file", media_type
    body = form["examples"][0]
    text = urlencode(body) if media_type == FORM else json.dumps(body)
    return text.encode(), media_type


@in_memory
async def test_header_and_query_parameters_are_declared(operations: list[Operation]) -> None:
    for each in operations:
        names = {*each.parameters}
        of_the_shop = each.path.startswith(
            (
                *("/v1/categories", "/v1/tags", "/v1/products", "/v1/posts"),
                *("/v1/accounts", "/v1/transfers", "/v1/orders"),
            )
        )
        of_credentials = each.path.startswith("/v1/auth") or each.path.endswith("/password")
        # An entry never changes, neither deposits nor payments ask for a version, and to read a
        # notification changes it once.
        unversioned = {
            *("sessions", "entries", "deposits", "notifications"),
            *("payments", "refunds", "timeline"),
        }
        versioned = not unversioned & {*each.path.split("/")}
        single = ("{id}" in each.path or each.path == "/v1/users/me") and versioned
        shown = each.path.endswith(("}", "/v1/users/me")) and versioned
        assert ("Idempotency-Key" in names) is (each.method == "POST" and not of_credentials)
        assert ("If-Match" in names) is (each.method != "GET" and single)
        assert ("If-None-Match" in names) is (each.method == "GET" and shown)
        assert ("dry_run" in names) is (each.method != "GET" and of_the_shop)
        listing = each.declared["operationId"].startswith("list_") and "sessions" not in each.path
        paging = {"limit", "cursor", "offset", "with_total", "sort"}
        best_of = {"limit"} if each.declared["operationId"] == "report_top_customers" else set()
        assert (paging & names) == (paging if listing else best_of)
        for parameter in each.parameters.values():
            assert parameter["in"] in ("path", "query", "header")
            assert parameter["schema"]


@in_memory
async def test_the_limits_of_a_page_are_declared(operations: list[Operation]) -> None:
    [listing] = [each for each in operations if each.declared["operationId"] == "list_products"]
    limit = listing.parameters["limit"]["schema"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 100, 20)
    sort = listing.parameters["sort"]
    # What is usual depends on q, so that it is told in words.
    assert "default" not in sort["schema"]
    assert "-created_at" in sort["description"]
    assert "relevance with q" in sort["description"]
    sorts = ("name", "price", "created_at", "updated_at", "stock")
    spellings = {sign + name for name in sorts for sign in ("", "-")}
    assert {*sort["schema"]["enum"]} == spellings | {"relevance"}
    [of_category] = [each for each in operations if each.path == "/v1/categories/{id}/products"]
    assert {*of_category.parameters} == {*listing.parameters} - {"category"} | {"id"}


@in_memory
async def test_every_body_has_an_example_that_is_taken(
    opened: Opened, document: Json, operations: list[Operation]
) -> None:
    tried = 0
    for each in operations:
        for media_type, taken in each.body.items():
            if schema(document, taken["schema"]).get("format") == "binary":
                continue  # a file, which shows itself to whoever exports one
            for sample in schema(document, taken["schema"])["examples"]:
                path, caller = await prepared(await api_of(opened), each, sample)
                body = urlencode(sample) if media_type == FORM else json.dumps(sample)
                done = await caller.send(
                    each.method, path, content=body.encode(), content_type=media_type
                )
                assert done.is_success, (each.path, sample, done.text)
                tried += 1
    assert tried >= 10


async def prepared(fresh: Api, operation: Operation, sample: Json) -> tuple[str, Caller]:
    """
    Where to send the example and by whom, in a fresh shop in which it can go well.

    An id in it is replaced by one of something that is there.
    """
    path, name = operation.path, operation.declared["operationId"]
    if name == "issue_token":
        body = {"email": "ada@example.com"} | {k: sample[k] for k in ("username", "password")}
        content(await fresh.nobody.post("/v1/users", body), 201)
        return path, fresh.nobody
    if name == "change_own_password":
        password = sample["old_password"]
        await fresh.user(username="ada", password=password)
        return path, await fresh.signed_in("ada", password)
    if "users" in path:
        return path.replace("{id}", fresh.other.id), fresh.admin
    if name == "place_order":
        for item in sample["items"]:
            price = {"amount": "7.99", "currency": "USD"}
            await fresh.product(sku=item["sku"], price=price, stock=item["quantity"])
    if name == "move_order":
        return transitions(await fresh.move(await fresh.order(), "confirmed")), fresh.staff
    if name == "pay_order":
        await fresh.account(holding="25.00")
        return payments(await fresh.order()), fresh.customer
    if name == "refund_order":
        order = await fresh.order()
        await fresh.pay(order)
        return refunds(order), fresh.staff
    if name == "update_products":
        assert [*sample] == ["items"]
        sample["items"][0]["id"] = (await fresh.product())["id"]
    if name == "change_stock":
        thing = await fresh.product(stock=sample.get("expected", 3))
        return path.replace("{id}", thing["id"]), fresh.staff
    if name == "open_account":
        sample["owner_id"] = fresh.other.id
    if "accounts" in path and "{id}" in path:
        return path.replace("{id}", (await fresh.account())["id"]), fresh.staff
    if name == "make_transfer":
        sample["from_account_id"] = (await fresh.account(holding="10.00"))["id"]
        sample["to_account_id"] = (await fresh.account(fresh.other.id))["id"]
        return path, fresh.customer
    if "posts" in path and "{id}" in path:
        return path.replace("{id}", (await fresh.post())["id"]), fresh.staff
    if "{id}" in path:
        thing = await (fresh.category() if "categories" in path else fresh.product())
        return path.replace("{id}", thing["id"]), fresh.staff
    return path, fresh.staff


@in_memory
async def test_every_status_that_is_given_is_declared(
    api: Api, operations: list[Operation]
) -> None:
    category, product = await api.category(), await api.product(sku="NONE", slug="none", stock=3)
    order, tag = await api.order(product), await api.tag("red")
    post = await api.post("publish", slug="none")
    account = await api.account()
    transfer = await api.deposit(account, usd("5.00"))
    [notification] = rows(await api.customer.get("/v1/notifications"))
    ids = {
        "tags": tag["id"],
        "categories": category["id"],
        "products": product["id"],
        "posts": post["id"],
        "orders": order["id"],
        "accounts": account["id"],
        "transfers": transfer["id"],
        "notifications": notification["id"],
        "sessions": NOWHERE,
        "users": api.other.id,
    }
    bodies = {
        "create_category": a_category(),
        "create_product": a_product(),
        "create_products": {"items": [a_product()]},
        "update_category": {"name": "x"},
        "replace_category": {"name": "x"},
        "create_tag": {"name": "Red"},
        "create_post": {"title": "None"},
        "update_post": {"title": "x"},
        "update_product": {"name": "x"},
        "replace_product": {name: product[name] for name in ("sku", "name", "price")},
        "update_products": {"items": [{"id": product["id"], "name": "x"}]},
        "change_stock": {"change": -2},
        "place_order": basket((product, 1)),
        "move_order": {"to": "confirmed"},
        "pay_order": {"method": "store_credit", "amount": usd("1.00")},
        "refund_order": {"reason": "x", "amount": usd("1.00")},
        "open_account": {"owner_id": api.other.id},
        "make_deposit": {"amount": usd("1.00"), "reference": "x"},
        "make_transfer": a_transfer(account, await api.house(), usd("2.00")),
        "register_user": a_registration(),
        "update_own_profile": {"bio": "x"},
        "update_user": {"bio": "x"},
        "replace_user": {"username": "other", "email": "other@example.com"},
        "create_users": {"items": [a_registration()]},
        "deactivate_idle_users": {"inactive_days": 90},
        "change_own_password": {"old_password": "Wrong horse 9", "new_password": PASSWORD},
    }
    undeclared: set[tuple[str, str]] = set()
    for each in sorted(operations, key=lambda each: each.method == "DELETE"):
        declared = each.declared["responses"]
        kind = next((kind for kind in ids if kind in each.path), "")
        path = filled(each.path.replace("{id}", ids.get(kind, "")))
        body = bodies.get(each.declared["operationId"])
        for who in (api.nobody, api.customer, api.staff):
            for query in ("", "?dry_run=true", "?colour=red", "?deleted=true", "?cursor=x"):
                for options in HEADERS:
                    done = await who.send(each.method, path + query, body, **options)
                    assert str(done.status_code) in declared, (each.path, each.method, done.text)
                    said = declared[str(done.status_code)]
                    if done.content:
                        assert done.headers["Content-Type"].partition(";")[0] in said["content"]
                    if done.is_error:
                        codes = said["description"].split(", ")
                        undeclared |= {(each.declared["operationId"], done.json()["code"])} - {
                            (each.declared["operationId"], code) for code in codes
                        }
    assert undeclared == set()


@in_memory
async def test_the_page_for_browsers_asks_no_other_host(api: Api) -> None:
    page = await api.nobody.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert not re.search(r"""["'(=]//""", page.text)
    assert OPENAPI in page.text
    assets = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert len(assets) == 3
    for asset in assets:
        assert asset.startswith("/docs/assets/")
        found = await api.nobody.get(asset)
        assert found.status_code == 200
        assert len(found.content) > 500
    style = await api.nobody.get("/docs/assets/swagger-ui.css")
    links = re.findall(rb"url\(([^)]*)\)|@import([^;]*);", style.content)
    assert all(link.strip(b"\"' ").startswith((b"data:", b"#")) for link, _ in links)


@in_memory
async def test_the_start_leads_on(api: Api) -> None:
    start = content(await api.nobody.get("/"), 200)
    assert start["name"] == "tradepost"
    assert {"docs", "openapi", "live", "ready"} <= {*start["links"]}
    for link in start["links"].values():
        assert (await api.nobody.get(link)).status_code == 200
