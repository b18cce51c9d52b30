"""The catalog as a tree: what lies below what, how much of it, and that no two moves break it."""

import asyncio
from typing import Any, Final

import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    content,
    in_memory,
    in_sql,
    problem,
    rows,
)

TREE: Final = "/v1/categories/tree"
DEEPEST: Final = 16


async def line(api: Api, *names: str) -> list[Json]:
    """Categories, each below the one before."""
    chain: list[Json] = []
    for name in names:
        above = chain[-1]["id"] if chain else None
        chain.append(await api.category(name=name, parent_id=above))
    return chain


async def tree(api: Api, query: str = "") -> list[Json]:
    return rows(await api.nobody.get(f"{TREE}{query}"))


def names(nodes: list[Json]) -> Json:
    """The names of a forest, nested as it is."""
    return {node["name"]: names(node["children"]) for node in nodes}


def counts(nodes: list[Json]) -> dict[str, tuple[int, int]]:
    """The own and the total count of every node, by its name."""
    found = {}
    for node in nodes:
        found[node["name"]] = (node["product_count"], node["total_product_count"])
        found |= counts(node["children"])
    return found


async def test_categories_are_nested_with_siblings_by_name(api: Api) -> None:
    home, kitchen, mugs = await line(api, "Home", "Kitchen", "Mugs")
    await api.category(name="Garden", parent_id=home["id"])
    await api.category(name="bath", parent_id=home["id"])
    await api.category(name="Art")
    found = await tree(api)
    assert names(found) == {"Art": {}, "Home": {"Garden": {}, "Kitchen": {"Mugs": {}}, "bath": {}}}
    assert [node["name"] for node in found] == ["Art", "Home"]
    assert [node["name"] for node in found[1]["children"]] == ["Garden", "Kitchen", "bath"]
    [node] = found[1]["children"][1]["children"]
    own = {"children": [], "product_count": 0, "total_product_count": 0}
    assert node == mugs | own
    assert {**found[1]["children"][1], **own} == kitchen | own
    assert content(await api.nobody.get(TREE), 200) == {"items": found}


async def test_a_shop_without_categories_has_a_tree_without_nodes(api: Api) -> None:
    assert await tree(api) == []
    assert await tree(api, "?depth=3") == []


async def test_products_on_sale_are_counted_for_each_and_for_all_below(api: Api) -> None:
    home, kitchen, mugs = await line(api, "Home", "Kitchen", "Mugs")
    other = await api.category(name="Other")
    await api.product()
    for category, count in ((home, 1), (kitchen, 2), (mugs, 3)):
        for _ in range(count):
            await api.product(category_id=category["id"], stock=0)
    hidden = await api.product(category_id=mugs["id"], is_active=False)
    gone = await api.product(category_id=mugs["id"])
    await api.staff.delete(f"/v1/products/{gone['id']}")
    before = {"Home": (1, 6), "Kitchen": (2, 5), "Mugs": (3, 3), "Other": (0, 0)}
    assert counts(await tree(api)) == before
    await api.staff.patch(f"/v1/categories/{mugs['id']}", {"parent_id": other["id"]})
    await api.staff.patch(f"/v1/products/{hidden['id']}", {"is_active": True})
    after = {"Home": (1, 3), "Kitchen": (2, 2), "Mugs": (4, 4), "Other": (0, 4)}
    assert counts(await tree(api)) == after
    await api.staff.delete(f"/v1/categories/{mugs['id']}")
    assert counts(await tree(api)) == {"Home": (1, 3), "Kitchen": (2, 2), "Other": (0, 0)}


async def test_the_tree_of_one_root_is_found_by_its_id_or_its_slug(api: Api) -> None:
    home, kitchen, mugs = await line(api, "Home", "Kitchen", "Mugs")
    await api.product(category_id=mugs["id"])
    [whole] = await tree(api)
    [below] = whole["children"]
    for name in (kitchen["id"], kitchen["slug"], kitchen["id"].upper()):
        assert await tree(api, f"?root={name}") == [below]
    assert await tree(api, f"?root={home['slug']}") == [whole]
    assert counts(await tree(api, f"?root={kitchen['id']}&depth=1")) == {"Kitchen": (0, 1)}


async def test_a_depth_cuts_the_tree_and_not_the_counts(api: Api) -> None:
    chain = await line(api, *(f"Level {n:02}" for n in range(1, DEEPEST + 1)))
    await api.product(category_id=chain[-1]["id"])
    for depth in (1, 2, 15, 16):
        found = counts(await tree(api, f"?depth={depth}"))
        assert len(found) == depth
        assert {total for _, total in found.values()} == {1}
    assert await tree(api) == await tree(api, "?depth=16")


@in_memory
@pytest.mark.parametrize(
    ("query", "name"),
    [
        *((f"depth={value}", "depth") for value in ("0", "17", "-1", "1.0", "x", "", "1e1", "٣")),
        ("depth=1&depth=1", "depth"),
        *((f"root={value}", "root") for value in ("", "A", "a%20b", "%C3%A4", "%00", "a" * 201)),
        ("root=a&root=a", "root"),
        ("limit=5", "limit"),
        ("dry_run=true", "dry_run"),
    ],
)
async def test_a_tree_is_asked_for_to_the_letter(api: Api, query: str, name: str) -> None:
    problem(await api.nobody.get(f"{TREE}?{query}"), 422, "validation-error", f"query {name}")


async def test_below_an_unknown_root_there_is_no_tree(api: Api) -> None:
    await line(api, "Home", "Kitchen")
    for root in (NOWHERE, "no-such-slug", "-"):
        refused = await api.nobody.get(f"{TREE}?root={root}&depth=1")
        problem(refused, 404, "category-not-found")


async def test_a_slug_that_is_an_id_is_no_other_categorys_id(api: Api) -> None:
    one = await api.category(name="One")
    await api.category(name="Two", slug=NOWHERE)
    found = [node["name"] for node in await tree(api, f"?root={one['id']}")]
    assert found == ["One"]


async def products_in(api: Api, category: Json, query: str = "") -> list[str]:
    listed = rows(await api.nobody.get(f"/v1/categories/{category['id']}/products{query}"))
    return [product["sku"] for product in listed]


async def test_the_products_of_a_category_are_those_of_all_below_it(api: Api) -> None:
    home, kitchen, mugs = await line(api, "Home", "Kitchen", "Mugs")
    empty = await api.category(name="Empty", parent_id=home["id"])
    for sku, category in (("A", home), ("B", kitchen), ("C", mugs), ("D", mugs), ("E", None)):
        await api.product(sku=sku, name=sku, category_id=category and category["id"])
    await api.product(sku="HIDDEN", category_id=mugs["id"], is_active=False)
    by_name = "?sort=name"
    for category, everything, own in (
        (home, ["A", "B", "C", "D"], ["A"]),
        (kitchen, ["B", "C", "D"], ["B"]),
        (mugs, ["C", "D"], ["C", "D"]),
        (empty, [], []),
    ):
        assert await products_in(api, category, by_name) == everything
        assert await products_in(api, category, f"{by_name}&category_only=false") == everything
        assert await products_in(api, category, f"{by_name}&category_only=true") == own
        for name in (category["id"], category["slug"], category["id"].upper()):
            for only in ("true", "false"):
                query = f"category={name}&category_only={only}&sort=name"
                listed = rows(await api.nobody.get(f"/v1/products?{query}"))
                expected = own if only == "true" else everything
                assert [product["sku"] for product in listed] == expected
    hidden = await api.staff.get(f"/v1/categories/{home['id']}/products?is_active=false")
    assert [product["sku"] for product in rows(hidden)] == ["HIDDEN"]


async def test_the_products_of_a_category_are_a_list_like_any_other(api: Api) -> None:
    home, kitchen = await line(api, "Home", "Kitchen")
    await api.tag("red")
    for n in range(9):
        await api.product(
            sku=f"S-{n}",
            name=f"Mug {n}",
            category_id=(home, kitchen)[n % 2]["id"],
            tags=["red"] if n < 6 else [],
            stock=n,
        )
    listed: list[str] = []
    place = f"/v1/categories/{home['id']}/products"
    target: str | None = f"{place}?sort=-name&limit=2&tag=red&q=mug&in_stock=true&with_total=true"
    while target:
        answer = await api.nobody.get(target)
        listed += [product["sku"] for product in rows(answer)]
        assert answer.json()["total"] == 5
        target = answer.headers.get("Link", "")[1:].partition(">")[0] or None
        assert target is None or target.startswith(place)
    assert listed == ["S-5", "S-4", "S-3", "S-2", "S-1"]
    assert await products_in(api, home, "?sort=name&offset=7&limit=5") == ["S-7", "S-8"]
    page = await api.nobody.get(f"{place}?limit=2")
    for other in (f"/v1/categories/{kitchen['id']}/products", "/v1/products"):
        refused = await api.nobody.get(f"{other}?limit=2&cursor={page.json()['next_cursor']}")
        problem(refused, 400, "invalid-cursor")


async def test_an_unknown_category_is_not_found_and_names_no_products(api: Api) -> None:
    await api.product()
    for query in ("", "?category_only=true", "?sku=A", "?offset=5", "?q=x"):
        refused = await api.nobody.get(f"/v1/categories/{NOWHERE}/products{query}")
        problem(refused, 404, "category-not-found")
    for category in (NOWHERE, "no-such-slug"):
        found = await api.nobody.get(f"/v1/products?category={category}&with_total=true")
        assert content(found, 200) == {"items": [], "next_cursor": None, "total": 0}
    for id in ("no-such-slug", "%00", NOWHERE[:-1], f"{NOWHERE}0", "%20" + NOWHERE):
        problem(await api.nobody.get(f"/v1/categories/{id}/products"), 404, "not-found")
    refused = await api.nobody.get(f"/v1/categories/{NOWHERE}/products?category=x")
    problem(refused, 422, "validation-error", "query category")


@in_memory
@pytest.mark.parametrize("category", ["", "Mugs", "a%20b", "a_b", "%25", "'--", "a" * 201, "%00"])
async def test_what_is_neither_an_id_nor_a_slug_is_no_category(api: Api, category: str) -> None:
    refused = await api.nobody.get(f"/v1/products?category={category}")
    problem(refused, 422, "validation-error", "query category")


@in_memory
async def test_who_may_not_see_other_products_may_not_in_a_category(api: Api) -> None:
    category = await api.category()
    for query in ("is_active=false", "deleted=true"):
        path = f"/v1/categories/{category['id']}/products?{query}"
        problem(await api.nobody.get(path), 401, "unauthenticated")
        problem(await api.customer.get(path), 403, "forbidden")
        assert rows(await api.staff.get(path)) == []


async def parents(api: Api) -> dict[str, str | None]:
    """The parent of each category, as it is now."""
    listed = rows(await api.nobody.get("/v1/categories?limit=100"))
    return {category["id"]: category["parent_id"] for category in listed}


def height(above: dict[str, str | None]) -> int:
    """How many levels there are; no way up may be longer than there are categories."""
    levels = 0
    for id in above:
        here: str | None = id
        level = 0
        while here is not None:
            level += 1
            assert level <= len(above), "a category lies below itself"
            here = above[here]
        levels = max(levels, level)
    return levels


async def place(api: Api, category: Json, below: Json | None, method: str = "PATCH") -> Any:
    body = {"parent_id": below and below["id"]}
    if method == "PUT":
        body |= {"name": category["name"]}
    return await api.staff.send(method, f"/v1/categories/{category['id']}", body)


@in_sql
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_two_moves_that_are_each_right_alone_close_no_cycle(api: Api, method: str) -> None:
    for n in range(10):
        one, other = await api.category(name=f"One {n}"), await api.category(name=f"Other {n}")
        answers = await asyncio.gather(
            place(api, one, other, method), place(api, other, one, method)
        )
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses in ([200, 409], [409, 409], [409, 503], [200, 503]), statuses
        for answer in answers:
            if answer.status_code == 409:
                problem(answer, 409, "category-cycle")
        above = await parents(api)
        assert height(above) <= 2
        assert [above[one["id"]], above[other["id"]]].count(None) >= 1


@in_sql
async def test_a_ring_of_moves_at_once_closes_no_cycle(api: Api) -> None:
    for n in range(3):
        ring = [await api.category(name=f"Ring {n} {i}") for i in range(6)]
        branches = [await line(api, f"Top {n} {i}", "Middle", "Leaf") for i in range(2)]
        answers = await asyncio.gather(
            *(place(api, one, ring[i - 1]) for i, one in enumerate(ring)),
            place(api, branches[0][0], branches[1][2]),
            place(api, branches[1][0], branches[0][2]),
        )
        assert {answer.status_code for answer in answers} <= {200, 409, 503}
        assert [answer.status_code for answer in answers[:6]].count(200) < 6
        assert [answer.status_code for answer in answers[6:]].count(200) < 2
        height(await parents(api))


@in_sql
async def test_moves_and_new_categories_at_once_do_not_get_too_deep(api: Api) -> None:
    upper = await line(api, *(f"U{n}" for n in range(8)))
    lower = await line(api, *(f"L{n}" for n in range(8)))
    more: list[Any] = [
        place(api, lower[0], upper[-1]),
        *(
            api.staff.post("/v1/categories", {"name": f"New {n}", "parent_id": lower[-1]["id"]})
            for n in range(4)
        ),
        place(api, upper[0], lower[-1]),
    ]
    answers = await asyncio.gather(*more)
    assert {answer.status_code for answer in answers} <= {200, 201, 409, 503}
    assert height(await parents(api)) <= DEEPEST


@in_sql
async def test_a_category_that_goes_while_others_come_below_it_leaves_a_tree(api: Api) -> None:
    root, middle = await line(api, "Root", "Middle")
    others = [await api.category() for _ in range(6)]
    answers = await asyncio.gather(
        *(place(api, one, middle) for one in others[:3]),
        api.staff.delete(f"/v1/categories/{middle['id']}"),
        *(place(api, one, middle) for one in others[3:]),
        *(
            api.staff.post("/v1/products", {
                "sku": f"S-{n}", "name": "x", "category_id": middle["id"],
                "price": {"amount": "1", "currency": "USD"},
            })
            for n in range(4)
        ),
    )  # fmt: skip
    assert {answer.status_code for answer in answers} <= {200, 201, 204, 404, 409, 503}
    above = await parents(api)
    assert height(above) <= 3
    assert {parent for parent in above.values() if parent} <= {*above}
    for product in rows(await api.nobody.get("/v1/products")):
        assert product["category_id"] in (None, *above)
    assert root["id"] in above
