"""The tree of the catalog."""

from typing import Any

import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    a_category,
    at,
    content,
    in_memory,
    problem,
)

DEEPEST = 16


async def now(api: Api, category: Json) -> Json:
    return content(await api.nobody.get(f"/v1/categories/{category['id']}"), 200)


async def change(api: Api, category: Json, **changes: Any) -> Json:
    return content(await api.staff.patch(f"/v1/categories/{category['id']}", changes), 200)


async def line(api: Api, length: int) -> list[Json]:
    """So many categories, each below the one before."""
    chain = [await api.category()]
    while len(chain) < length:
        chain.append(await api.category(parent_id=chain[-1]["id"]))
    return chain


async def test_a_category_is_kept_as_it_was_created(api: Api) -> None:
    parent = await api.category()
    body = {
        "name": "Tea & Coffee",
        "slug": "hot",
        "description": "Two\nlines",
        "parent_id": parent["id"],
    }
    created = content(await api.staff.post("/v1/categories", body), 201)
    assert {name: created[name] for name in body} == body
    assert created["version"] == 1
    assert created["created_at"] == created["updated_at"]
    assert await now(api, created) == created


async def test_without_a_slug_it_gets_the_one_that_its_name_suggests(api: Api) -> None:
    names = ["Home & Garden", "Home, garden!", "Café Olé", "日本"]
    slugs = [(await api.category(name=name))["slug"] for name in names]
    assert slugs[0] == "home-garden"
    assert slugs[1].startswith("home-garden-")
    assert slugs[2] == "cafe-ole"
    assert slugs[3].startswith("category-")


async def test_a_slug_is_unique_everywhere(api: Api) -> None:
    parent = await api.category(slug="mugs")
    async with api.unchanged():
        body = a_category(slug="mugs", parent_id=parent["id"])
        refused = await api.staff.post("/v1/categories", body)
    assert problem(refused, 409, "duplicate")["field"] == "slug"
    other = await api.category()
    async with api.unchanged():
        refused = await api.staff.patch(f"/v1/categories/{other['id']}", {"slug": "mugs"})
    assert problem(refused, 409, "duplicate")["field"] == "slug"


async def test_a_name_is_unique_among_siblings(api: Api) -> None:
    root = await api.category(name="Mugs")
    child = await api.category(name="Mugs", parent_id=root["id"])
    for parent_id in (None, root["id"]):
        async with api.unchanged():
            body = {"name": "Mugs", "slug": "other", "parent_id": parent_id}
            refused = await api.staff.post("/v1/categories", body)
        assert problem(refused, 409, "duplicate")["field"] == "name"
    async with api.unchanged():
        refused = await api.staff.patch(f"/v1/categories/{child['id']}", {"parent_id": None})
    assert problem(refused, 409, "duplicate")["field"] == "name"


async def test_below_a_parent_that_is_not_there_there_is_no_place(api: Api) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/categories", a_category(parent_id=NOWHERE))
    problem(refused, 404, "category-not-found")
    category = await api.category()
    async with api.unchanged():
        refused = await api.staff.patch(f"/v1/categories/{category['id']}", {"parent_id": NOWHERE})
    problem(refused, 404, "category-not-found")


async def test_a_patch_changes_what_it_names(api: Api) -> None:
    parent, other = await api.category(), await api.category()
    before = await api.category(description="old", parent_id=parent["id"])
    named = await change(api, before, name="New", description="new", slug="new")
    assert (named["name"], named["description"], named["slug"]) == ("New", "new", "new")
    assert (named["parent_id"], named["version"]) == (parent["id"], 2)
    assert at(named["updated_at"]) > at(before["updated_at"])
    assert named["created_at"] == before["created_at"]
    moved = await change(api, before, parent_id=other["id"])
    assert (moved["parent_id"], moved["name"]) == (other["id"], "New")
    cleared = await change(api, before, parent_id=None, description=None)
    assert (cleared["parent_id"], cleared["description"]) == (None, "")
    assert await now(api, before) == cleared


@in_memory
@pytest.mark.parametrize("member", ["name", "slug"])
async def test_what_may_not_be_empty_cannot_be_cleared(api: Api, member: str) -> None:
    category = await api.category()
    async with api.unchanged():
        refused = await api.staff.patch(f"/v1/categories/{category['id']}", {member: None})
    problem(refused, 422, "validation-error", f"/{member}")


async def test_no_category_lies_below_itself(api: Api) -> None:
    root, child, grandchild = await line(api, 3)
    for above in (root, child, grandchild):
        async with api.unchanged():
            refused = await api.staff.patch(
                f"/v1/categories/{root['id']}", {"parent_id": above["id"]}
            )
        problem(refused, 409, "category-cycle")
    assert (await change(api, grandchild, parent_id=root["id"]))["parent_id"] == root["id"]


async def test_sixteen_levels_are_the_deepest(api: Api) -> None:
    chain = await line(api, DEEPEST)
    body = a_category(parent_id=chain[-1]["id"])
    async with api.unchanged():
        refused = await api.staff.post("/v1/categories", body)
    assert problem(refused, 409, "category-too-deep")["deepest"] == DEEPEST
    upper, _ = await line(api, 2)
    async with api.unchanged():
        refused = await api.staff.patch(
            f"/v1/categories/{upper['id']}", {"parent_id": chain[-2]["id"]}
        )
    problem(refused, 409, "category-too-deep")
    moved = await change(api, upper, parent_id=chain[-3]["id"])
    assert moved["parent_id"] == chain[-3]["id"]


async def test_who_goes_lifts_the_children_and_leaves_the_products_behind(api: Api) -> None:
    root, middle, leaf = await line(api, 3)
    product = await api.product(category_id=middle["id"])
    gone = await api.staff.delete(f"/v1/categories/{middle['id']}", if_match='"1"')
    assert (gone.status_code, gone.content) == (204, b"")
    problem(await api.nobody.get(f"/v1/categories/{middle['id']}"), 404, "category-not-found")
    lifted = await now(api, leaf)
    assert (lifted["parent_id"], lifted["version"]) == (root["id"], 2)
    left = await api.product_now(product)
    assert (left["category_id"], left["category"], left["version"]) == (None, None, 2)
    problem(await api.staff.delete(f"/v1/categories/{middle['id']}"), 404, "category-not-found")
    assert await api.total("/v1/categories") == 2


async def test_a_child_may_bear_the_name_of_the_parent_that_goes(api: Api) -> None:
    parent = await api.category(name="Mugs", slug="mugs")
    child = await api.category(name="Mugs", parent_id=parent["id"])
    assert (await api.staff.delete(f"/v1/categories/{parent['id']}")).status_code == 204
    assert (await now(api, child))["parent_id"] is None
    again = await api.category(name="Pots", slug="mugs")
    assert again["slug"] == "mugs"


async def test_it_stays_if_a_child_would_meet_its_namesake(api: Api) -> None:
    parent = await api.category()
    await api.category(name="Mugs", parent_id=parent["id"])
    await api.category(name="Mugs")
    async with api.unchanged():
        refused = await api.staff.delete(f"/v1/categories/{parent['id']}")
    assert problem(refused, 409, "duplicate")["field"] == "name"


@in_memory
async def test_everybody_may_look(api: Api) -> None:
    category = await api.category()
    for who in (api.nobody, api.customer, api.staff, api.admin):
        assert content(await who.get(f"/v1/categories/{category['id']}"), 200) == category
        assert content(await who.get("/v1/categories"), 200)["items"] == [category]


async def replace(api: Api, category: Json, **body: Any) -> Json:
    return content(await api.staff.put(f"/v1/categories/{category['id']}", body), 200)


async def test_a_replacement_makes_everything_as_it_says(api: Api) -> None:
    first, second = await api.category(), await api.category()
    before = await api.category(description="old", parent_id=first["id"], slug="old")
    body = {"name": "New", "slug": "new", "description": "new", "parent_id": second["id"]}
    replaced = await replace(api, before, **body)
    assert {name: replaced[name] for name in body} == body
    assert (replaced["id"], replaced["created_at"]) == (before["id"], before["created_at"])
    assert (replaced["version"], at(replaced["updated_at"]) > at(before["updated_at"])) == (2, True)
    assert await now(api, before) == replaced


async def test_what_a_replacement_leaves_out_becomes_empty_but_for_the_slug(api: Api) -> None:
    parent = await api.category()
    before = await api.category(description="old", parent_id=parent["id"], slug="kept")
    replaced = await replace(api, before, name="New")
    assert (replaced["name"], replaced["slug"]) == ("New", "kept")
    assert (replaced["description"], replaced["parent_id"]) == ("", None)
    assert await now(api, before) == replaced
    assert await replace(api, before, name="New", slug=None) == replaced


@in_memory
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": None}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "x", "slug": "A"}, "/slug"),
        ({"name": "x", "description": None}, "/description"),
        ({"name": "x", "description": "x" * 10_001}, "/description"),
        ({"name": "x", "parent_id": "root"}, "/parent_id"),
        *(({"name": "x", name: 1}, f"/{name}") for name in ("id", "version", "path", "depth")),
    ],
    ids=lambda each: str(each)[:40],
)
async def test_what_does_not_fit_replaces_nothing(api: Api, body: Json, pointer: str) -> None:
    category = await api.category()
    async with api.unchanged():
        refused = await api.staff.put(f"/v1/categories/{category['id']}", body)
    problem(refused, 422, "validation-error", pointer)


async def test_a_replacement_breaks_no_tree_and_takes_no_name(api: Api) -> None:
    root, child, grandchild = await line(api, 3)
    await api.category(name="Taken", slug="taken")
    path = f"/v1/categories/{root['id']}"
    async with api.unchanged():
        for above in (root, child, grandchild):
            refused = await api.staff.put(path, {"name": "x", "parent_id": above["id"]})
            problem(refused, 409, "category-cycle")
        refused = await api.staff.put(path, {"name": "x", "parent_id": NOWHERE})
        problem(refused, 404, "category-not-found")
        refused = await api.staff.put(path, {"name": "Taken"})
        assert problem(refused, 409, "duplicate")["field"] == "name"
        refused = await api.staff.put(path, {"name": "x", "slug": "taken"})
        assert problem(refused, 409, "duplicate")["field"] == "slug"
        refused = await api.staff.put(f"/v1/categories/{NOWHERE}", {"name": "x"})
        problem(refused, 404, "category-not-found")
    chain = await line(api, DEEPEST - 2)
    async with api.unchanged():
        refused = await api.staff.put(path, {"name": "x", "parent_id": chain[-1]["id"]})
        assert problem(refused, 409, "category-too-deep")["deepest"] == DEEPEST
    moved = await replace(api, root, name="x", parent_id=chain[-2]["id"])
    assert moved["parent_id"] == chain[-2]["id"]


@in_memory
@pytest.mark.parametrize("member", ["id", "version", "created_at", "updated_at", "children"])
async def test_what_is_no_ones_to_change_is_unknown_to_a_patch(api: Api, member: str) -> None:
    category = await api.category()
    async with api.unchanged():
        refused = await api.staff.patch(f"/v1/categories/{category['id']}", {member: 1})
    problem(refused, 422, "validation-error", f"/{member}")
