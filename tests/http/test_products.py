"""What is for sale: who sees it, what may be changed, and what becomes of what goes."""

import asyncio
from collections import Counter
from typing import Any, Final

import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    a_product,
    at,
    basket,
    content,
    in_memory,
    money,
    problem,
    rows,
    usd,
)

MEMBERS: Final = {
    "id", "sku", "slug", "name", "description", "price", "stock", "is_active", "category_id",
    "category", "tags", "metadata", "created_at", "updated_at", "deleted_at", "version",
}  # fmt: skip


async def change(api: Api, product: Json, **changes: Any) -> Json:
    return content(await api.staff.patch(f"/v1/products/{product['id']}", changes), 200)


async def delete(api: Api, product: Json) -> None:
    gone = await api.staff.delete(f"/v1/products/{product['id']}")
    assert (gone.status_code, gone.content) == (204, b"")


async def test_a_product_is_kept_as_it_was_created(api: Api) -> None:
    category = await api.category(name="Mugs", slug="mugs")
    await api.tag("new")
    body = {
        "sku": "MUG-1",
        "name": "White mug",
        "price": usd("7.99"),
        "slug": "white-mug",
        "description": "Holds 3 dl.\nDishwasher safe.",
        "stock": 40,
        "category_id": category["id"],
        "tags": ["new"],
        "is_active": True,
        "metadata": {"colour": "white", "Größe": "3 dl"},
    }
    created = content(await api.staff.post("/v1/products", body), 201)
    assert {name: created[name] for name in body} == body
    assert set(created) == MEMBERS
    assert created["category"] == {"id": category["id"], "name": "Mugs", "slug": "mugs"}
    assert (created["deleted_at"], created["version"]) == (None, 1)
    assert created["created_at"] == created["updated_at"]
    assert content(await api.nobody.get(f"/v1/products/{created['id']}"), 200) == created
    assert rows(await api.nobody.get("/v1/products")) == [created]


async def test_what_is_not_said_has_a_default(api: Api) -> None:
    body = {"sku": "MUG", "name": "Mug", "price": usd("0")}
    created = content(await api.staff.post("/v1/products", body), 201)
    assert (created["stock"], created["is_active"], created["description"]) == (0, True, "")
    assert (created["category_id"], created["category"], created["metadata"]) == (None, None, {})
    assert created["tags"] == []
    assert created["price"] == usd("0.00")


async def test_a_sku_is_kept_in_upper_case(api: Api) -> None:
    product = await api.product(sku="mug-1a")
    assert product["sku"] == "MUG-1A"
    for spelling in ("mug-1a", "MUG-1A", "Mug-1a"):
        async with api.unchanged():
            refused = await api.staff.post("/v1/products", a_product(sku=spelling))
        assert problem(refused, 409, "duplicate")["field"] == "sku"
        assert rows(await api.nobody.get(f"/v1/products?sku={spelling}")) == [product]


async def test_a_slug_is_unique_and_made_from_the_name_where_there_is_none(api: Api) -> None:
    assert (await api.product(name="White mug!"))["slug"] == "white-mug"
    assert (await api.product(name="White Mug", sku="MUG-2"))["slug"] == "white-mug-mug-2"
    assert (await api.product(name="日本", sku="JP-1"))["slug"] == "jp-1"
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", a_product(slug="white-mug"))
    assert problem(refused, 409, "duplicate")["field"] == "slug"


async def test_of_fifty_products_with_one_sku_one_is_made(api: Api) -> None:
    answers = await asyncio.gather(
        *(api.staff.post("/v1/products", a_product(sku="MUG")) for _ in range(50))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}
    assert await api.total("/v1/products") == 1


async def test_fifty_products_of_one_name_all_get_a_slug(api: Api) -> None:
    answers = await asyncio.gather(
        *(api.staff.post("/v1/products", a_product(name="White mug")) for _ in range(50))
    )
    # A slug that is suggested to two at the same moment is one of theirs; the other may try again.
    assert {answer.status_code for answer in answers} <= {201, 409}
    slugs = [answer.json()["slug"] for answer in answers if answer.status_code == 201]
    assert len(slugs) == len({*slugs}) == await api.total("/v1/products")


async def test_a_category_that_is_not_there_holds_no_product(api: Api) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", a_product(category_id=NOWHERE))
    problem(refused, 404, "category-not-found")
    product = await api.product()
    async with api.unchanged():
        refused = await api.staff.patch(f"/v1/products/{product['id']}", {"category_id": NOWHERE})
    problem(refused, 404, "category-not-found")


async def test_a_patch_changes_what_it_names(api: Api) -> None:
    first, second = await api.category(), await api.category()
    before = await api.product(category_id=first["id"], description="old", stock=7)
    changes = {
        "sku": "new",
        "name": "New",
        "slug": "new",
        "price": money("500", "JPY"),
        "description": "new",
        "category_id": second["id"],
    }
    changed = await change(api, before, **changes)
    assert (changed["sku"], changed["name"], changed["slug"]) == ("NEW", "New", "new")
    assert (changed["price"], changed["description"]) == (money("500", "JPY"), "new")
    assert changed["category"]["id"] == changed["category_id"] == second["id"]
    assert (changed["stock"], changed["version"]) == (7, 2)
    assert at(changed["updated_at"]) > at(before["updated_at"])
    assert changed["created_at"] == before["created_at"]
    cleared = await change(api, before, category_id=None, description=None)
    assert (cleared["category_id"], cleared["category"], cleared["description"]) == (None, None, "")
    assert await api.product_now(before) == cleared


@in_memory
@pytest.mark.parametrize("member", ["sku", "name", "slug", "price", "is_active"])
async def test_what_may_not_be_empty_cannot_be_cleared(api: Api, member: str) -> None:
    product = await api.product()
    async with api.unchanged():
        refused = await api.staff.patch(f"/v1/products/{product['id']}", {member: None})
    problem(refused, 422, "validation-error", f"/{member}")


async def test_metadata_is_merged_pair_by_pair(api: Api) -> None:
    product = await api.product(metadata={"size": "L", "colour": "red"})
    changed = await change(api, product, metadata={"size": None, "weight": "3 kg"})
    assert changed["metadata"] == {"colour": "red", "weight": "3 kg"}
    same = await change(api, product, metadata={})
    assert same == changed
    assert (await change(api, product, metadata=None))["metadata"] == {}


async def test_fifty_pairs_are_the_most_also_when_they_come_bit_by_bit(api: Api) -> None:
    product = await api.product(metadata={f"k{n}": "v" for n in range(50)})
    async with api.unchanged():
        refused = await api.staff.patch(
            f"/v1/products/{product['id']}", {"metadata": {"one-more": "v"}}
        )
    problem(refused, 422, "invalid-value", "/metadata")
    swapped = await change(api, product, metadata={"k0": None, "one-more": "v"})
    assert len(swapped["metadata"]) == 50


async def test_a_patch_cannot_take_the_name_of_another(api: Api) -> None:
    one, other = await api.product(sku="ONE", slug="one"), await api.product()
    for field, value in (("sku", "one"), ("slug", "one")):
        async with api.unchanged():
            refused = await api.staff.patch(f"/v1/products/{other['id']}", {field: value})
        assert problem(refused, 409, "duplicate")["field"] == field
    assert await change(api, one, sku="ONE", slug="one") == one


async def test_what_is_off_sale_is_for_staff_to_see(api: Api) -> None:
    shown, hidden = await api.product(), await api.product(is_active=False)
    path = f"/v1/products/{hidden['id']}"
    for who in (api.nobody, api.customer):
        problem(await who.get(path), 404, "product-not-found")
        for query in ("", "?is_active=true", f"?sku={hidden['sku']}&sku={shown['sku']}"):
            listed = await who.get(f"/v1/products{query}", params={"with_total": "true"})
            assert (rows(listed), listed.json()["total"]) == ([shown], 1)
    for who in (api.staff, api.admin):
        assert content(await who.get(path), 200) == hidden
        assert rows(await who.get("/v1/products")) == [shown]
        assert rows(await who.get("/v1/products?is_active=true")) == [shown]
        assert rows(await who.get("/v1/products?is_active=false")) == [hidden]


async def test_it_is_shown_again_when_it_is_back_on_sale(api: Api) -> None:
    product = await api.product(is_active=False)
    back = await change(api, product, is_active=True)
    assert rows(await api.nobody.get("/v1/products")) == [back]
    away = await change(api, product, is_active=False)
    assert (away["version"], rows(await api.nobody.get("/v1/products"))) == (3, [])


async def test_several_skus_can_be_asked_for_at_once(api: Api) -> None:
    products = [await api.product(sku=f"MUG-{n}") for n in range(5)]
    listed = await api.nobody.get("/v1/products?sku=MUG-1&sku=mug-3&sku=NONE&sort=created_at")
    assert rows(listed) == [products[1], products[3]]
    assert rows(await api.nobody.get("/v1/products?sku=NONE")) == []


async def test_what_is_deleted_leaves_every_list_but_one(api: Api) -> None:
    kept, gone = await api.product(), await api.product()
    await delete(api, gone)
    for who in (api.nobody, api.staff):
        problem(await who.get(f"/v1/products/{gone['id']}"), 404, "product-not-found")
        assert rows(await who.get("/v1/products")) == [kept]
        assert rows(await who.get(f"/v1/products?sku={gone['sku']}")) == []
    [deleted] = rows(await api.staff.get("/v1/products?deleted=true"))
    assert (deleted["id"], deleted["sku"], deleted["version"]) == (gone["id"], gone["sku"], 2)
    assert deleted["deleted_at"] == deleted["updated_at"]
    assert at(deleted["deleted_at"]) > at(gone["updated_at"])
    assert rows(await api.staff.get("/v1/products?is_active=false")) == []


async def test_what_is_deleted_cannot_be_changed_deleted_or_ordered(api: Api) -> None:
    gone = await api.product()
    await delete(api, gone)
    async with api.unchanged():
        for refused in (
            await api.staff.patch(f"/v1/products/{gone['id']}", {"name": "x"}),
            await api.staff.delete(f"/v1/products/{gone['id']}"),
            await api.staff.delete(f"/v1/products/{gone['id']}", if_match='"1"'),
            await api.customer.post("/v1/orders", basket((gone, 1))),
            await api.customer.post("/v1/orders", {"items": [{"sku": gone["sku"], "quantity": 1}]}),
        ):
            assert (refused.status_code, refused.json()["code"]) == (404, "product-not-found")


async def test_the_names_of_what_is_deleted_are_free_again(api: Api) -> None:
    gone = await api.product(sku="MUG", slug="mug")
    await delete(api, gone)
    again = await api.product(sku="mug", slug="mug")
    assert (again["sku"], again["slug"]) == ("MUG", "mug")
    await delete(api, again)
    renamed = await change(api, await api.product(), sku="MUG", slug="mug")
    assert renamed["sku"] == "MUG"
    assert len(rows(await api.staff.get("/v1/products?deleted=true&sku=MUG"))) == 2


async def test_an_order_keeps_what_is_deleted_or_changed(api: Api) -> None:
    product = await api.product(name="Mug", price=usd("5.00"), sku="MUG")
    order = await api.order(product, quantity=2)
    await change(api, product, name="Cup", price=usd("9.00"), sku="CUP")
    await delete(api, product)
    await api.product(sku="MUG", name="Another")
    found = content(await api.customer.get(f"/v1/orders/{order['id']}"), 200)
    assert found == order
    [item] = found["items"]
    assert (item["sku"], item["name"], item["unit_price"]) == ("MUG", "Mug", usd("5.00"))
    cancelled = await api.customer.post(
        f"/v1/orders/{order['id']}/transitions", {"to": "cancelled"}
    )
    assert content(cancelled, 200)["status"] == "cancelled"
    [deleted] = rows(await api.staff.get("/v1/products?deleted=true"))
    assert deleted["stock"] == product["stock"]


async def replace(api: Api, product: Json, **body: Any) -> Json:
    return content(await api.staff.put(f"/v1/products/{product['id']}", body), 200)


async def test_a_replacement_makes_everything_as_it_says_but_the_stock(api: Api) -> None:
    first, second = await api.category(), await api.category()
    for tag in ("red", "new"):
        await api.tag(tag)
    before = await api.product(
        category_id=first["id"], tags=["red"], description="old", metadata={"size": "L"}, stock=7
    )
    body = {
        "sku": "new-1",
        "name": "New",
        "slug": "new",
        "price": money("500", "JPY"),
        "description": "new",
        "category_id": second["id"],
        "tags": ["new", "red"],
        "is_active": False,
        "metadata": {"colour": "red"},
    }
    replaced = await replace(api, before, **body)
    assert {name: replaced[name] for name in body} == body | {"sku": "NEW-1"}
    assert (replaced["stock"], replaced["version"]) == (7, 2)
    assert replaced["category"]["id"] == second["id"]
    assert (replaced["id"], replaced["created_at"]) == (before["id"], before["created_at"])
    assert at(replaced["updated_at"]) > at(before["updated_at"])
    assert await api.product_now(before) == replaced


async def test_what_a_replacement_leaves_out_becomes_empty_but_for_the_slug(api: Api) -> None:
    category = await api.category()
    await api.tag("red")
    before = await api.product(
        slug="mug", category_id=category["id"], tags=["red"], description="old",
        metadata={"size": "L"}, is_active=False, stock=7,
    )  # fmt: skip
    replaced = await replace(api, before, sku="MUG", name="Mug", price=usd("1.00"))
    assert (replaced["slug"], replaced["stock"], replaced["is_active"]) == ("mug", 7, True)
    assert (replaced["description"], replaced["metadata"], replaced["tags"]) == ("", {}, [])
    assert (replaced["category_id"], replaced["category"]) == (None, None)
    assert await api.product_now(before) == replaced
    again = await replace(api, before, sku="mug", name="Mug", price=usd(1), slug=None)
    assert again == replaced


@in_memory
@pytest.mark.parametrize("member", ["sku", "name", "price"])
async def test_a_replacement_is_whole(api: Api, member: str) -> None:
    product = await api.product()
    whole = {name: product[name] for name in ("sku", "name", "price")}
    path = f"/v1/products/{product['id']}"
    async with api.unchanged():
        for body in ({**whole, member: None}, {k: v for k, v in whole.items() if k != member}):
            problem(await api.staff.put(path, body), 422, "validation-error", f"/{member}")


@in_memory
@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        *(({name: "x"}, f"/{name}") for name in ("stock", "version", "id", "created_at", "colour")),
        *(({name: None}, f"/{name}") for name in ("is_active", "metadata", "tags", "description")),
        ({"price": usd("1.005")}, "/price/amount"),
        ({"price": usd("-1")}, "/price"),
        ({"price": usd("NaN")}, "/price/amount"),
        ({"price": usd("1e400")}, "/price/amount"),
        ({"price": usd("10000000000.00")}, "/price"),
        ({"category_id": "x"}, "/category_id"),
        ({"metadata": {"k": None}}, "/metadata/k"),
        ({"slug": "A"}, "/slug"),
    ],
    ids=lambda each: str(each)[:40],
)
async def test_what_does_not_fit_replaces_nothing(api: Api, changes: Json, pointer: str) -> None:
    product = await api.product()
    whole = {name: product[name] for name in ("sku", "name", "price")}
    async with api.unchanged():
        refused = await api.staff.put(f"/v1/products/{product['id']}", whole | changes)
    problem(refused, 422, "validation-error", pointer)


async def test_a_replacement_cannot_take_the_names_of_another(api: Api) -> None:
    await api.product(sku="MUG", slug="mug")
    other = await api.product()
    whole = {name: other[name] for name in ("sku", "name", "price")}
    for field in ("sku", "slug"):
        async with api.unchanged():
            refused = await api.staff.put(f"/v1/products/{other['id']}", whole | {field: "mug"})
        assert problem(refused, 409, "duplicate")["field"] == field
    async with api.unchanged():
        path = f"/v1/products/{other['id']}"
        refused = await api.staff.put(path, whole | {"category_id": NOWHERE})
        problem(refused, 404, "category-not-found")
        refused = await api.staff.put(f"/v1/products/{NOWHERE}", whole)
        problem(refused, 404, "product-not-found")


async def test_a_product_is_found_by_its_sku_in_either_case_and_by_its_slug(api: Api) -> None:
    product = await api.product(sku="Mug-1a", slug="white-mug", is_active=True)
    for path in ("by-sku/mug-1a", "by-sku/MUG-1A", "by-sku/Mug-1A", "by-slug/white-mug"):
        found = await api.nobody.get(f"/v1/products/{path}")
        assert content(found, 200) == product
        assert found.headers["ETag"] == '"1"'
        same = await api.nobody.get(f"/v1/products/{path}", headers={"If-None-Match": '"1"'})
        assert (same.status_code, same.content) == (304, b"")
    for path in ("by-sku/white-mug", "by-slug/mug-1a", "by-sku/MUG-1", "by-slug/white-mug-1"):
        problem(await api.nobody.get(f"/v1/products/{path}"), 404, "product-not-found")


async def test_by_name_as_by_id_everybody_finds_what_they_may_see(api: Api) -> None:
    hidden = await api.product(sku="HIDDEN", slug="hidden", is_active=False)
    gone = await api.product(sku="GONE", slug="gone")
    await delete(api, gone)
    for who in (api.nobody, api.customer, api.staff):
        for path in ("by-sku/GONE", "by-slug/gone"):
            problem(await who.get(f"/v1/products/{path}"), 404, "product-not-found")
        for path in ("by-sku/hidden", "by-slug/hidden"):
            found = await who.get(f"/v1/products/{path}")
            if who is api.staff:
                assert content(found, 200) == hidden
            else:
                problem(found, 404, "product-not-found")
    again = await api.product(sku="gone", slug="gone")
    for path in ("by-sku/gone", "by-slug/gone"):
        assert content(await api.staff.get(f"/v1/products/{path}"), 200) == again


@in_memory
@pytest.mark.parametrize("name", ["a_b", "%25", "%C3%A4", "A%20B", "x" * 201, "%00", "a'b", "..x"])
async def test_what_is_no_name_is_not_found(api: Api, name: str) -> None:
    for path in (f"by-sku/{name}", f"by-slug/{name}"):
        problem(await api.nobody.get(f"/v1/products/{path}"), 404, "not-found")


async def test_what_was_deleted_can_be_restored(api: Api) -> None:
    category = await api.category()
    await api.tag("red")
    product = await api.product(
        sku="MUG", slug="mug", category_id=category["id"], tags=["red"], stock=5
    )
    await delete(api, product)
    path = f"/v1/products/{product['id']}"
    restored = await api.staff.post(f"{path}/restore")
    own = ("version", "updated_at")
    assert content(restored, 200) | {name: product[name] for name in own} == product
    assert (restored.json()["version"], restored.headers["ETag"]) == (3, '"3"')
    assert content(await api.nobody.get(path), 200) == restored.json()
    assert rows(await api.nobody.get("/v1/products")) == [restored.json()]
    assert rows(await api.staff.get("/v1/products?deleted=true")) == []
    async with api.unchanged():
        again = await api.staff.post(f"{path}/restore")
        assert content(again, 200) == restored.json()
        refused = await api.staff.post(f"/v1/products/{NOWHERE}/restore")
        problem(refused, 404, "product-not-found")


@pytest.mark.parametrize("field", ["sku", "slug"])
async def test_nothing_is_restored_whose_name_was_taken_since(api: Api, field: str) -> None:
    gone = await api.product(sku="MUG", slug="mug")
    await delete(api, gone)
    other = await api.product(**{field: "mug"})
    path = f"/v1/products/{gone['id']}/restore"
    async with api.unchanged():
        refused = await api.staff.post(path)
    assert problem(refused, 409, "duplicate")["field"] == field
    await change(api, other, **{field: "free-again"})
    assert content(await api.staff.post(path), 200)[field] == gone[field]


async def test_of_two_deleted_products_of_one_name_one_is_restored(api: Api) -> None:
    gone = []
    for _ in range(5):
        gone.append(await api.product(sku="MUG", slug="mug"))
        await delete(api, gone[-1])
    answers = await asyncio.gather(
        *(api.staff.post(f"/v1/products/{one['id']}/restore") for one in gone)
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 4}
    assert await api.total("/v1/products?sku=MUG") == 1


async def test_what_went_while_it_was_deleted_does_not_come_back_with_it(api: Api) -> None:
    category = await api.category()
    red = await api.tag("red")
    product = await api.product(category_id=category["id"], tags=["red"])
    await delete(api, product)
    await api.staff.delete(f"/v1/categories/{category['id']}")
    await api.staff.delete(f"/v1/tags/{red['id']}")
    restored = content(await api.staff.post(f"/v1/products/{product['id']}/restore"), 200)
    assert (restored["category_id"], restored["category"], restored["tags"]) == (None, None, [])


async def test_what_is_deleted_cannot_be_replaced(api: Api) -> None:
    gone = await api.product()
    await delete(api, gone)
    whole = {name: gone[name] for name in ("sku", "name", "price")}
    async with api.unchanged():
        refused = await api.staff.put(f"/v1/products/{gone['id']}", whole)
    problem(refused, 404, "product-not-found")
