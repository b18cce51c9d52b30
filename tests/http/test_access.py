"""Who may do what: every operation of the document, asked by everybody, against one table."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import httpx
import pytest

from tests.builders import PASSWORD
from tests.http.api import (
    FORM,
    NDJSON,
    NOWHERE,
    Api,
    Caller,
    Json,
    a_category,
    a_product,
    a_registration,
    content,
    in_memory,
    problem,
    usd,
)

CALLERS: Final = ("nobody", "customer", "other", "staff", "admin")
OPEN: Final = (200,) * 5
PUBLIC_POST: Final = (201,) * 5


@dataclass(frozen=True, slots=True)
class Row:
    """
    One operation and the status that each of CALLERS gets.

    `path` may hold {order}, which the first customer placed, {paid}, which was paid as well,
    {product}, {inactive}, {deleted}, {category}, {tag}, {post}, which is published, {draft},
    {session}, {account}, {transfer} and {notification} of the first customer, {house}, the
    {empty} account of somebody else, and {user}, who is a third customer.
    """

    operation: str
    path: str
    statuses: tuple[int, ...]
    body: Any = None
    form: str | None = None
    file: bytes | None = None
    absent: str | None = None  # the path of something that is not there; None where that is no case


def signed_in(status: int) -> tuple[int, ...]:
    return (401, *(status,) * 4)


def staff(status: int) -> tuple[int, ...]:
    return (401, 403, 403, status, status)


def admin(status: int) -> tuple[int, ...]:
    return (401, 403, 403, 403, status)


def owner(status: int) -> tuple[int, ...]:
    return (401, status, 404, status, status)


def absent(collection: str, rest: str = "") -> str:
    return f"/v1/{collection}/{NOWHERE}{rest}"


GRANT: Final = f"grant_type=password&username=customer&password={PASSWORD.replace(' ', '+')}"
PASSWORDS: Final = {"old_password": PASSWORD, "new_password": PASSWORD}
ROLE: Final = {"role": "staff"}
PROFILE: Final = {"username": "grace", "email": "grace@example.com"}
USER: Final = "/v1/users/{user}"
ORDER: Final = "/v1/orders/{order}"
PRODUCT: Final = "/v1/products/{product}"
CATEGORY: Final = "/v1/categories/{category}"
TAG: Final = "/v1/tags/{tag}"
POST: Final = "/v1/posts/{post}"
DRAFT: Final = "/v1/posts/{draft}"
WHOLE_PRODUCT: Final = {name: a_product()[name] for name in ("sku", "name", "price")}
A_FILE: Final = json.dumps(WHOLE_PRODUCT).encode()
ACCOUNT: Final = "/v1/accounts/{account}"
HOUSE: Final = "/v1/accounts/{house}"
CREDIT: Final = {"amount": {"amount": "1.00", "currency": "USD"}}
GIFT: Final = CREDIT | {"from_account_id": "{account}", "to_account_id": "{empty}"}
SESSION: Final = "/v1/users/me/sessions/{session}"
A_YEAR: Final = "from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z"
TABLE: Final = [
    Row("index", "/", OPEN),
    Row("live", "/livez", OPEN),
    Row("ready", "/readyz", OPEN),
    Row("health", "/health", staff(200)),
    Row("metrics", "/metrics", OPEN),
    Row("register_user", "/v1/users", PUBLIC_POST, a_registration()),
    Row("issue_token", "/v1/auth/token", OPEN, form=GRANT),
    Row("revoke_token", "/v1/auth/revoke", (204,) * 5, form="token=x"),
    Row("get_own_profile", "/v1/users/me", signed_in(200)),
    Row("update_own_profile", "/v1/users/me", signed_in(200), {"bio": "x"}),
    Row("change_own_password", "/v1/users/me/password", signed_in(204), PASSWORDS),
    Row("list_own_sessions", "/v1/users/me/sessions", signed_in(200)),
    Row("end_own_sessions", "/v1/users/me/sessions", signed_in(204)),
    Row("end_own_session", SESSION, (401, 204, 404, 404, 404), absent=absent("users/me/sessions")),
    Row("list_users", "/v1/users", staff(200)),
    Row("get_user", USER, staff(200), absent=absent("users")),
    Row("update_user", USER, staff(200), {"bio": "x"}, absent=absent("users")),
    Row("update_user", USER, admin(200), ROLE, absent=absent("users")),
    Row("replace_user", USER, staff(200), PROFILE, absent=absent("users")),
    Row("replace_user", USER, admin(200), PROFILE | ROLE, absent=absent("users")),
    Row("deactivate_user", f"{USER}/deactivate", staff(200), absent=absent("users", "/deactivate")),
    Row("activate_user", f"{USER}/activate", staff(200), absent=absent("users", "/activate")),
    Row("delete_user", USER, admin(204), absent=absent("users")),
    Row("create_users", "/v1/users/bulk", admin(200), {"items": [a_registration()]}),
    Row("deactivate_idle_users", "/v1/users/bulk/deactivate", admin(200), {"inactive_days": 90}),
    Row("delete_inactive_users", "/v1/users/bulk/inactive", admin(200)),
    Row("list_categories", "/v1/categories", OPEN),
    Row("create_category", "/v1/categories", staff(201), a_category()),
    Row("get_category", CATEGORY, OPEN, absent=absent("categories")),
    Row("update_category", CATEGORY, staff(200), {"name": "x"}, absent=absent("categories")),
    Row("replace_category", CATEGORY, staff(200), {"name": "x"}, absent=absent("categories")),
    Row("delete_category", CATEGORY, staff(204), absent=absent("categories")),
    Row("get_category_tree", "/v1/categories/tree", OPEN),
    Row(
        "list_products_of_category",
        f"{CATEGORY}/products",
        OPEN,
        absent=absent("categories", "/products"),
    ),
    Row(
        "list_products_of_category",
        f"{CATEGORY}/products?is_active=false",
        (401, 403, 403, 200, 200),
        absent=absent("categories", "/products?is_active=false"),
    ),
    Row("list_tags", "/v1/tags", OPEN),
    Row("create_tag", "/v1/tags", staff(201), {"name": "x"}),
    Row("delete_tag", TAG, staff(204), absent=absent("tags")),
    Row("list_posts", "/v1/posts", OPEN),
    Row("list_posts", "/v1/posts?status=published", OPEN),
    Row("list_posts", "/v1/posts?status=draft", (401, 403, 403, 200, 200)),
    Row("create_post", "/v1/posts", staff(201), {"title": "x"}),
    Row("get_post", POST, OPEN, absent=absent("posts")),
    Row("get_post", DRAFT, (404, 404, 404, 200, 200), absent=absent("posts")),
    Row("read_post", "/v1/posts/by-slug/news", OPEN),
    Row("read_post", "/v1/posts/by-slug/draft", (404, 404, 404, 200, 200)),
    Row("update_post", POST, staff(200), {"title": "x"}, absent=absent("posts")),
    Row("delete_post", POST, staff(204), absent=absent("posts")),
    Row("publish_post", f"{DRAFT}/publish", staff(200), absent=absent("posts", "/publish")),
    Row("archive_post", f"{POST}/archive", staff(200), absent=absent("posts", "/archive")),
    Row("list_products", "/v1/products", OPEN),
    Row("list_products", "/v1/products?is_active=false", (401, 403, 403, 200, 200)),
    Row("list_products", "/v1/products?deleted=true", (401, 403, 403, 200, 200)),
    Row("create_product", "/v1/products", staff(201), a_product()),
    Row("create_products", "/v1/products/bulk", staff(200), {"items": [a_product()]}),
    Row("update_products", "/v1/products/bulk", staff(200), {"items": [{"id": "{product}"}]}),
    Row("get_product", PRODUCT, OPEN, absent=absent("products")),
    Row(
        "get_product",
        "/v1/products/{inactive}",
        (404, 404, 404, 200, 200),
        absent=absent("products"),
    ),
    Row("update_product", PRODUCT, staff(200), {"name": "x"}, absent=absent("products")),
    Row("replace_product", PRODUCT, staff(200), WHOLE_PRODUCT, absent=absent("products")),
    Row("delete_product", PRODUCT, staff(204), absent=absent("products")),
    Row(
        "restore_product",
        "/v1/products/{deleted}/restore",
        staff(200),
        absent=absent("products", "/restore"),
    ),
    Row(
        "change_stock",
        f"{PRODUCT}/stock",
        staff(200),
        {"change": 1},
        absent=absent("products", "/stock"),
    ),
    Row(
        "list_stock_movements",
        f"{PRODUCT}/stock-movements",
        staff(200),
        absent=absent("products", "/stock-movements"),
    ),
    Row("get_product_by_sku", "/v1/products/by-sku/mug", OPEN),
    Row("get_product_by_sku", "/v1/products/by-sku/inactive", (404, 404, 404, 200, 200)),
    Row("get_product_by_slug", "/v1/products/by-slug/mug", OPEN),
    Row("get_product_by_slug", "/v1/products/by-slug/inactive", (404, 404, 404, 200, 200)),
    Row("import_products", "/v1/products/import", staff(200), file=A_FILE),
    Row("export_products", "/v1/products/export", staff(200)),
    Row("list_accounts", "/v1/accounts", signed_in(200)),
    Row("open_account", "/v1/accounts", staff(201), {"owner_id": "{user}", "currency": "EUR"}),
    Row("get_account", ACCOUNT, owner(200), absent=absent("accounts")),
    Row("get_account", HOUSE, (401, 404, 404, 200, 200), absent=absent("accounts")),
    Row("list_entries", f"{ACCOUNT}/entries", owner(200), absent=absent("accounts", "/entries")),
    Row(
        "list_entries",
        f"{HOUSE}/entries",
        (401, 404, 404, 200, 200),
        absent=absent("accounts", "/entries"),
    ),
    Row(
        "make_deposit",
        f"{ACCOUNT}/deposits",
        staff(201),
        CREDIT | {"reference": "x"},
        absent=absent("accounts", "/deposits"),
    ),
    Row("make_transfer", "/v1/transfers", owner(201), GIFT),
    Row(
        "make_transfer",
        "/v1/transfers",
        (401, 404, 404, 201, 201),
        GIFT | {"from_account_id": "{house}"},
    ),
    Row("get_transfer", "/v1/transfers/{transfer}", owner(200), absent=absent("transfers")),
    Row("place_order", "/v1/orders", signed_in(201), {"items": [{"sku": "MUG", "quantity": 1}]}),
    Row(
        "place_order",
        "/v1/orders",
        (401, 403, 403, 201, 201),
        {"items": [{"sku": "MUG", "quantity": 1}], "customer_id": "{user}"},
    ),
    Row("list_orders", "/v1/orders", signed_in(200)),
    Row("get_order", ORDER, owner(200), absent=absent("orders")),
    Row(
        "get_order_by_number",
        "/v1/orders/by-number/{number}",
        owner(200),
        absent="/v1/orders/by-number/ORD-20260101-00000000",
    ),
    Row(
        "move_order",
        f"{ORDER}/transitions",
        owner(200),
        {"to": "cancelled"},
        absent=absent("orders", "/transitions"),
    ),
    Row(
        "move_order",
        f"{ORDER}/transitions",
        (401, 403, 404, 200, 200),
        {"to": "confirmed"},
        absent=absent("orders", "/transitions"),
    ),
    Row("list_happenings", f"{ORDER}/timeline", owner(200), absent=absent("orders", "/timeline")),
    Row("list_payments", f"{ORDER}/payments", owner(200), absent=absent("orders", "/payments")),
    Row(
        "pay_order",
        f"{ORDER}/payments",
        owner(201),
        CREDIT | {"method": "store_credit"},
        absent=absent("orders", "/payments"),
    ),
    Row(
        "pay_order",
        f"{ORDER}/payments",
        (401, 403, 404, 201, 201),
        CREDIT | {"method": "external"},
        absent=absent("orders", "/payments"),
    ),
    Row(
        "refund_order",
        "/v1/orders/{paid}/refunds",
        (401, 403, 404, 201, 201),
        {"reason": "x"},
        absent=absent("orders", "/refunds"),
    ),
    Row("report_orders", "/v1/reports/orders", staff(200)),
    Row("report_top_customers", "/v1/reports/top-customers", staff(200)),
    Row("report_categories", "/v1/reports/categories", staff(200)),
    Row("report_revenue", f"/v1/reports/revenue?{A_YEAR}", staff(200)),
    Row("list_low_stock", "/v1/reports/low-stock", staff(200)),
    Row("report_users", "/v1/reports/users", staff(200)),
    Row("list_notifications", "/v1/notifications", signed_in(200)),
    Row(
        "read_notification",
        "/v1/notifications/{notification}/read",
        (401, 200, 404, 404, 404),
        absent=absent("notifications", "/read"),
    ),
]


@dataclass(frozen=True, slots=True)
class Place:
    method: str
    template: str


async def operations(api: Api) -> dict[str, Place]:
    document = content(await api.nobody.get("/v1/openapi.json"), 200)
    return {
        declared["operationId"]: Place(method.upper(), path)
        for path, methods in document["paths"].items()
        for method, declared in methods.items()
    }


@in_memory
async def test_every_operation_has_a_row_and_every_row_an_operation(api: Api) -> None:
    found = await operations(api)
    assert {row.operation for row in TABLE} == {*found}
    for row in TABLE:
        template = found[row.operation].template.split("/")
        path = row.path.partition("?")[0].split("/")
        assert [part for part in template if "{" not in part] == [
            part for part, there in zip(path, template, strict=True) if "{" not in there
        ]
        named = {"{id}", "{number}"} & {*template}
        assert bool(named) is ("{" in row.path)


@in_memory
async def test_every_operation_on_something_is_asked_for_what_is_not_there(api: Api) -> None:
    by_operation = groupby(TABLE, key=lambda row: row.operation)
    asked = {name for name, its in by_operation if any(row.absent for row in its)}
    places = await operations(api)
    named = {"{id}", "{number}"}
    assert asked == {name for name, place in places.items() if named & {*place.template.split("/")}}


async def prepared(api: Api) -> dict[str, str]:
    """The things that the paths of the table name, by their names there."""
    mug = await api.product(sku="MUG", slug="mug", stock=100)
    deleted = await api.product()
    await api.staff.delete(f"/v1/products/{deleted['id']}")
    account = await api.account()
    grant = await api.grant("customer")
    [session] = [
        session["id"]
        for session in (await api.holder(grant).get("/v1/users/me/sessions")).json()["items"]
        if session["current"]
    ]
    order = await api.order(mug)
    [notification] = (await api.customer.get("/v1/notifications")).json()["items"]
    paid = await api.order(mug)
    await api.pay(paid)
    return {
        "product": mug["id"],
        "inactive": (await api.product(sku="INACTIVE", slug="inactive", is_active=False))["id"],
        "deleted": deleted["id"],
        "tag": (await api.tag("red"))["id"],
        "category": (await api.category())["id"],
        "post": (await api.post("publish", slug="news"))["id"],
        "draft": (await api.post(slug="draft"))["id"],
        "order": order["id"],
        "paid": paid["id"],
        "number": order["number"],
        "user": (await api.user())["id"],
        "account": account["id"],
        "transfer": (await api.deposit(account, usd("5.00")))["id"],
        "house": (await api.house())["id"],
        "empty": (await api.account((await api.user())["id"]))["id"],
        "session": session,
        "notification": notification["id"],
    }


def filled(value: Any, things: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: filled(each, things) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, things) for each in value]
    return value.format(**things) if isinstance(value, str) else value


async def ask(
    who: Caller, method: str, path: str, row: Row, things: Json, **options: Any
) -> httpx.Response:
    if row.form is not None:
        options |= {"content": row.form.encode(), "content_type": FORM}
    elif row.file is not None:
        options |= {"content": row.file, "content_type": NDJSON}
    return await who.send(method, path, filled(row.body, things), **options)


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.operation}-{row.path[-12:]}")
@in_memory
async def test_everybody_may_do_what_the_table_says(api: Api, row: Row, who: str) -> None:
    things = await prepared(api)
    method = (await operations(api))[row.operation].method
    caller: Caller = getattr(api, who)
    before = await api.contents()
    expected = row.statuses[CALLERS.index(who)]
    answer = await ask(caller, method, filled(row.path, things), row, things)
    assert answer.status_code == expected, answer.text
    if expected < 400:
        return
    assert await api.contents() == before
    code = {401: "unauthenticated", 403: "forbidden"}.get(expected, answer.json()["code"])
    problem(answer, expected, code)
    assert ("WWW-Authenticate" in answer.headers) is (expected == 401)


@in_memory
@pytest.mark.parametrize("row", [row for row in TABLE if row.absent], ids=lambda row: row.operation)
async def test_what_is_not_mine_is_as_if_it_were_not_there(api: Api, row: Row) -> None:
    things = await prepared(api)
    method = (await operations(api))[row.operation].method
    for who, expected in zip(CALLERS, row.statuses, strict=True):
        if expected < 400:
            continue
        caller: Caller = getattr(api, who)
        async with api.unchanged():
            there = await ask(caller, method, filled(row.path, things), row, things)
            missing = await ask(caller, method, str(row.absent), row, things)
        if expected == 403 and row.operation in ("move_order", "pay_order", "refund_order"):
            continue  # the customer sees this very order
        if expected == 403 and missing.status_code == 404:
            assert who == "staff", "only who may look at users learns that one is missing"
            continue
        assert told(there) == told(missing)


def told(answer: httpx.Response) -> tuple[int, Json, Json]:
    """The answer but for the id that was asked for and the id of the request."""
    body = {**answer.json(), "instance": "", "request_id": ""}
    return answer.status_code, body, {**answer.headers, "x-request-id": ""}


async def test_of_orders_everybody_sees_their_own_and_staff_all(api: Api) -> None:
    mine, others = await api.order(), await api.order(by=api.other)
    for who, seen in (
        (api.customer, {mine["id"]}),
        (api.other, {others["id"]}),
        (api.staff, {mine["id"], others["id"]}),
    ):
        listed = content(await who.get("/v1/orders"), 200)
        assert {order["id"] for order in listed["items"]} == seen
    filtered = await api.other.get("/v1/orders", params={"customer_id": api.customer.id})
    assert mine["id"] not in filtered.text


async def test_who_may_not_is_told_so_before_anything_is_counted_or_kept(api: Api) -> None:
    async with api.unchanged():
        for key in ("one", "one"):
            refused = await api.customer.post(f"/v1/users/{api.other.id}/deactivate", key=key)
            problem(refused, 403, "forbidden")
            assert "Idempotent-Replayed" not in refused.headers
