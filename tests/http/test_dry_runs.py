"""`?dry_run=true` does the real thing in a real transaction, answers, and undoes it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    a_product,
    a_transfer,
    basket,
    content,
    in_memory,
    money,
    payments,
    problem,
    refunds,
    transitions,
    usd,
)

# What two runs of the same operation cannot have in common, or only one of them has.
OWN: Final = (
    *("id", "number", "request_id", "transfer_id"),
    *("created_at", "updated_at", "placed_at", "published_at", "deleted_at"),
)

Made = tuple[str, str, Any]


async def a_new_category(api: Api) -> Made:
    return "POST", "/v1/categories", {"name": "Mugs", "parent_id": (await api.category())["id"]}


async def a_new_place_of_a_category(api: Api) -> Made:
    child, parent = await api.category(), await api.category()
    return "PATCH", f"/v1/categories/{child['id']}", {"parent_id": parent["id"], "name": "Cups"}


async def the_end_of_a_category(api: Api) -> Made:
    parent = await api.category()
    await api.category(parent_id=parent["id"])
    await api.product(category_id=parent["id"])
    return "DELETE", f"/v1/categories/{parent['id']}", None


async def a_new_product(api: Api) -> Made:
    return "POST", "/v1/products", a_product(category_id=(await api.category())["id"])


async def many_new_products(api: Api) -> Made:
    rows = [a_product(), a_product(sku=""), a_product(sku=(await api.product())["sku"])]
    return "POST", "/v1/products/bulk", {"items": rows, "on_error": "skip"}


async def a_change_of_a_product(api: Api) -> Made:
    product = await api.product(metadata={"size": "L"})
    changes = {"price": usd("1.00"), "metadata": {"size": None, "colour": "red"}, "sku": "NEW"}
    return "PATCH", f"/v1/products/{product['id']}", changes


async def the_end_of_a_product(api: Api) -> Made:
    return "DELETE", f"/v1/products/{(await api.product())['id']}", None


async def a_whole_category(api: Api) -> Made:
    child, parent = await api.category(description="old"), await api.category()
    return "PUT", f"/v1/categories/{child['id']}", {"parent_id": parent["id"], "name": "Cups"}


async def a_new_tag(api: Api) -> Made:
    return "POST", "/v1/tags", {"name": "On sale"}


async def the_end_of_a_tag(api: Api) -> Made:
    tag = await api.tag("red")
    await api.product(tags=["red"])
    await api.post(tags=["red"])
    return "DELETE", f"/v1/tags/{tag['id']}", None


async def a_whole_product(api: Api) -> Made:
    await api.tag("red")
    product = await api.product(metadata={"size": "L"}, tags=["red"], description="old")
    return "PUT", f"/v1/products/{product['id']}", {"sku": "N", "name": "N", "price": usd("1.00")}


async def other_tags_and_words(api: Api) -> Made:
    for tag in ("red", "new"):
        await api.tag(tag)
    product = await api.product(tags=["red"])
    return "PATCH", f"/v1/products/{product['id']}", {"tags": ["new"], "name": "Teapot"}


async def many_changes_of_products(api: Api) -> Made:
    product, other = await api.product(), await api.product()
    rows = [
        {"id": product["id"], "name": "New"},
        {"id": other["id"], "sku": product["sku"]},
        {"id": NOWHERE},
    ]
    return "PATCH", "/v1/products/bulk", {"items": rows, "on_error": "skip"}


async def a_restored_product(api: Api) -> Made:
    product = await api.product()
    await api.staff.delete(f"/v1/products/{product['id']}")
    return "POST", f"/v1/products/{product['id']}/restore", None


async def a_change_of_stock(api: Api) -> Made:
    path = f"/v1/products/{(await api.product())['id']}/stock"
    return "POST", path, {"change": -3, "reason": "damaged"}


async def a_count_of_stock(api: Api) -> Made:
    path = f"/v1/products/{(await api.product(stock=37))['id']}/stock"
    return "POST", path, {"set": 40, "expected": 37}


async def a_new_post(api: Api) -> Made:
    await api.tag("red")
    return "POST", "/v1/posts", {"title": "Tea", "content": "Hot.", "tags": ["red"]}


async def a_change_of_a_post(api: Api) -> Made:
    for tag in ("red", "new"):
        await api.tag(tag)
    post = await api.post("publish", tags=["red"])
    return "PATCH", f"/v1/posts/{post['id']}", {"title": "Pot", "tags": ["new"], "content": None}


async def a_publication(api: Api) -> Made:
    return "POST", f"/v1/posts/{(await api.post('archive'))['id']}/publish", None


async def a_post_for_the_archive(api: Api) -> Made:
    return "POST", f"/v1/posts/{(await api.post('publish'))['id']}/archive", None


async def the_end_of_a_post(api: Api) -> Made:
    await api.tag("red")
    return "DELETE", f"/v1/posts/{(await api.post(tags=['red']))['id']}", None


async def a_new_order(api: Api) -> Made:
    mug, cup = await api.product(), await api.product(price=usd("1.00"))
    return "POST", "/v1/orders", basket((mug, 2), (cup, 1), (mug, 3)) | {"note": "Ring twice"}


async def a_shipment(api: Api) -> Made:
    order = await api.move(await api.order(), "confirmed")
    return "POST", transitions(order), {"to": "shipped", "tracking_number": "1Z"}


async def a_cancellation(api: Api) -> Made:
    return "POST", transitions(await api.order(quantity=3)), {"to": "cancelled", "reason": "dear"}


async def a_cancellation_of_what_was_paid(api: Api) -> Made:
    await api.account(holding="25.00")
    order = await api.order(quantity=2)
    await api.pay(order, "2.00")
    await api.pay(order, "3.00", "store_credit")
    return "POST", transitions(order), {"to": "cancelled", "reason": "dear"}


async def a_payment_of_a_part(api: Api) -> Made:
    body = {"method": "external", "amount": usd("2.50"), "reference": "wire 17"}
    return "POST", payments(await api.order()), body


async def a_payment_in_full(api: Api) -> Made:
    await api.account(holding="25.00")
    return "POST", payments(await api.order()), {"method": "store_credit"}


async def a_refund_of_a_part(api: Api) -> Made:
    order = await api.order()
    payment = await api.pay(order)
    body = {"payment_id": payment["id"], "amount": usd("2.50"), "reason": "scratched"}
    return "POST", refunds(order), body


async def a_refund_in_full(api: Api) -> Made:
    await api.account(holding="25.00")
    order = await api.order()
    await api.pay(order, "2.50")
    await api.pay(order, method="store_credit")
    return "POST", refunds(order), {"reason": "lost"}


async def a_new_account(api: Api) -> Made:
    return "POST", "/v1/accounts", {"owner_id": api.other.id, "currency": "JPY"}


async def a_deposit(api: Api) -> Made:
    path = f"/v1/accounts/{(await api.account(holding='1.00'))['id']}/deposits"
    return "POST", path, {"amount": usd("5.00"), "reference": "gift card"}


async def a_gift(api: Api) -> Made:
    purse, jar = await api.account(holding="5.00"), await api.account(api.other.id)
    return "POST", "/v1/transfers", a_transfer(purse, jar, usd("5.00"), memo="tea")


OPERATIONS: Final = (
    a_new_category,
    a_new_place_of_a_category,
    the_end_of_a_category,
    a_new_product,
    many_new_products,
    a_change_of_a_product,
    the_end_of_a_product,
    a_whole_category,
    a_new_tag,
    the_end_of_a_tag,
    a_whole_product,
    other_tags_and_words,
    many_changes_of_products,
    a_restored_product,
    a_change_of_stock,
    a_count_of_stock,
    a_new_post,
    a_change_of_a_post,
    a_publication,
    a_post_for_the_archive,
    the_end_of_a_post,
    a_new_order,
    a_shipment,
    a_cancellation,
    a_cancellation_of_what_was_paid,
    a_payment_of_a_part,
    a_payment_in_full,
    a_refund_of_a_part,
    a_refund_in_full,
    a_new_account,
    a_deposit,
    a_gift,
)


def without_its_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_its_own(part) for name, part in value.items() if name not in OWN}
    return [without_its_own(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("prepare", OPERATIONS, ids=lambda prepare: prepare.__name__)
async def test_a_rehearsal_answers_as_the_real_thing_and_changes_nothing(
    api: Api, prepare: Callable[[Api], Awaitable[Made]]
) -> None:
    method, path, body = await prepare(api)
    async with api.unchanged():
        rehearsed = await api.staff.send(method, f"{path}?dry_run=true", body)
    assert rehearsed.status_code == 200, rehearsed.text
    for _ in range(2):  # and as often as one likes
        async with api.unchanged():
            again = await api.staff.send(method, f"{path}?dry_run=true", body)
        assert again.status_code == 200

    earnest = await api.staff.send(method, f"{path}?dry_run=false", body)
    assert earnest.status_code in (200, 201, 204), earnest.text
    if earnest.status_code == 204:
        assert rehearsed.content == earnest.content == b""
    else:
        assert without_its_own(rehearsed.json()) == without_its_own(earnest.json())
    assert rehearsed.headers.get("ETag") == earnest.headers.get("ETag")


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    code: str
    method: str
    path: str
    body: Any
    if_match: str | None = None


def nine(sku: str) -> Json:
    return {"items": [{"sku": sku, "quantity": 9}]}


TOO_MUCH: Final = a_transfer({"id": "{purse}"}, {"id": "{jar}"}, usd("5.01"))
OUTSIDE: Final = {"method": "external"}
BACK: Final = {"reason": "lost"}
YEN: Final = money("1", "JPY")
REFUSALS: Final = (
    Refusal(409, "duplicate", "POST", "/v1/products", a_product(sku="MUG")),
    Refusal(409, "duplicate", "POST", "/v1/categories", {"name": "x", "slug": "mugs"}),
    Refusal(404, "category-not-found", "POST", "/v1/products", a_product(category_id=NOWHERE)),
    Refusal(409, "insufficient-stock", "POST", "/v1/orders", nine("MUG")),
    Refusal(409, "duplicate", "POST", "/v1/accounts", {"owner_id": "{owner}"}),
    Refusal(409, "insufficient-funds", "POST", "/v1/transfers", TOO_MUCH),
    Refusal(404, "product-not-found", "POST", "/v1/orders", nine("NO-MUG")),
    Refusal(412, "stale-version", "PATCH", "/v1/products/{mug}", {"name": "x"}, '"7"'),
    Refusal(412, "stale-version", "DELETE", "/v1/products/{mug}", None, '"7"'),
    Refusal(409, "invalid-transition", "POST", "{order}/transitions", {"to": "delivered"}),
    Refusal(409, "invalid-transition", "POST", "/v1/posts/{news}/publish", None),
    Refusal(412, "stale-version", "DELETE", "/v1/posts/{news}", None, '"7"'),
    Refusal(409, "duplicate", "POST", "/v1/posts", {"title": "x", "slug": "news"}),
    Refusal(404, "tag-not-found", "PATCH", "/v1/posts/{news}", {"tags": ["no"]}),
    Refusal(422, "validation-error", "POST", "/v1/products", a_product(sku="")),
    Refusal(400, "invalid-header", "PATCH", "/v1/products/{mug}", {"name": "x"}, "x"),
    Refusal(409, "category-cycle", "PATCH", "/v1/categories/{mugs}", {"parent_id": "{mugs}"}),
    Refusal(409, "insufficient-stock", "POST", "/v1/products/{mug}/stock", {"change": -9}),
    Refusal(409, "stock-changed", "POST", "/v1/products/{mug}/stock", {"set": 1, "expected": 9}),
    Refusal(412, "stale-version", "POST", "/v1/products/{mug}/stock", {"change": 1}, '"7"'),
    Refusal(412, "stale-version", "POST", "/v1/products/{mug}/restore", None, '"7"'),
    Refusal(409, "duplicate", "POST", "/v1/tags", {"name": "Red"}),
    Refusal(412, "stale-version", "DELETE", "/v1/tags/{red}", None, '"7"'),
    Refusal(404, "tag-not-found", "PATCH", "/v1/products/{mug}", {"tags": ["no"]}),
    Refusal(404, "product-not-found", "PATCH", "/v1/products/bulk", {"items": [{"id": NOWHERE}]}),
    Refusal(409, "overpayment", "POST", "{order}/payments", OUTSIDE | {"amount": usd("9.99")}),
    Refusal(409, "insufficient-funds", "POST", "{order}/payments", {"method": "store_credit"}),
    Refusal(409, "order-cancelled", "POST", "{cancelled}/payments", OUTSIDE),
    Refusal(422, "invalid-value", "POST", "{order}/payments", OUTSIDE | {"amount": usd("0")}),
    Refusal(409, "refund-too-large", "POST", "{order}/refunds", BACK | {"amount": usd("1.01")}),
    Refusal(404, "payment-not-found", "POST", "{order}/refunds", BACK | {"payment_id": NOWHERE}),
    Refusal(422, "currency-mismatch", "POST", "{order}/refunds", BACK | {"amount": YEN}),
)  # fmt: skip


def filled(value: Any, ids: Json) -> Any:
    if isinstance(value, dict):
        return {name: filled(part, ids) for name, part in value.items()}
    return value.format(**ids) if isinstance(value, str) else value


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
async def test_a_rehearsal_is_refused_as_the_real_thing(api: Api, refusal: Refusal) -> None:
    mugs = await api.category(name="Mugs", slug="mugs")
    mug = await api.product(sku="MUG", stock=5)
    order = await api.order(mug)
    await api.pay(order, "1.00")
    cancelled = await api.move(await api.order(), "cancelled")
    red = await api.tag("red")
    purse, jar = await api.account(holding="5.00"), await api.account(api.other.id)
    ids = {
        "mug": mug["id"],
        "mugs": mugs["id"],
        "order": f"/v1/orders/{order['id']}",
        "cancelled": f"/v1/orders/{cancelled['id']}",
        "red": red["id"],
        "news": (await api.post("publish", slug="news"))["id"],
        "owner": api.customer.id,
        "purse": purse["id"],
        "jar": jar["id"],
    }
    path = refusal.path.format(**ids)
    body = filled(refusal.body, ids)
    async with api.unchanged():
        both = [
            await api.staff.send(
                refusal.method, f"{path}?dry_run={dry}", body, if_match=refusal.if_match
            )
            for dry in ("true", "false")
        ]
    for answer in both:
        assert (answer.status_code, answer.json()["code"]) == (refusal.status, refusal.code)
    first, second = ({**answer.json(), "request_id": ""} for answer in both)
    assert first == second


async def test_a_rehearsal_uses_up_no_key(api: Api) -> None:
    product = await api.product()
    body = basket((product, 2))
    async with api.unchanged():
        rehearsed = await api.customer.post("/v1/orders?dry_run=true", body, key="key")
        assert content(rehearsed, 200)["items"][0]["quantity"] == 2
    placed = await api.customer.post("/v1/orders", body, key="key")
    assert content(placed, 201)["id"] != rehearsed.json()["id"]
    assert "Idempotent-Replayed" not in placed.headers
    async with api.unchanged():
        again = await api.customer.post("/v1/orders?dry_run=true", body, key="key")
        assert content(again, 200)["id"] != placed.json()["id"]
    refused = await api.customer.post("/v1/orders?dry_run=true", body, key="a b")
    problem(refused, 400, "invalid-header", "header Idempotency-Key")


async def test_only_those_may_rehearse_who_may_do_it(api: Api) -> None:
    product, order = await api.product(), await api.order(by=api.other)
    async with api.unchanged():
        for who, status, code in (
            (api.nobody, 401, "unauthenticated"),
            (api.customer, 403, "forbidden"),
        ):
            refused = await who.delete(f"/v1/products/{product['id']}?dry_run=true")
            problem(refused, status, code)
        refused = await api.customer.post(transitions(order) + "?dry_run=true", {"to": "cancelled"})
        problem(refused, 404, "order-not-found")


@in_memory
@pytest.mark.parametrize(
    "path", ["/v1/users", "/v1/auth/token", f"/v1/notifications/{NOWHERE}/read"]
)
async def test_what_is_neither_catalog_nor_order_nor_account_is_not_rehearsed(
    api: Api, path: str
) -> None:
    async with api.unchanged():
        refused = await api.staff.post(f"{path}?dry_run=true")
    problem(refused, 422, "validation-error", "query dry_run")


async def test_a_rehearsal_does_not_wait_for_what_it_would_change_to_be_free_again(
    api: Api,
) -> None:
    product = await api.product(stock=3)
    for _ in range(3):
        rehearsed = await api.customer.post("/v1/orders?dry_run=true", basket((product, 3)))
        shown: Json = content(rehearsed, 200)
        assert shown["items"][0]["quantity"] == 3
    assert content(await api.customer.post("/v1/orders", basket((product, 3))), 201)["total"]
