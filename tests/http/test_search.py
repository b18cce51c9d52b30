"""Searching the catalog: which products a query finds, the best first, whatever it is made of."""

import asyncio
from typing import Any, Final
from urllib.parse import quote

import pytest

from tests.http.api import (
    Api,
    Json,
    content,
    in_memory,
    problem,
    rows,
)

PRODUCTS: Final = "/v1/products"


async def found(api: Api, q: str, **parameters: Any) -> list[str]:
    """The skus that a query finds, in their order."""
    listed = await api.nobody.get(PRODUCTS, params={"q": q, "limit": "100", **parameters})
    return [product["sku"] for product in rows(listed)]


async def put(api: Api, sku: str, name: str, description: str = "", **more: Any) -> Json:
    return await api.product(sku=sku, name=name, description=description, **more)


async def test_a_query_is_about_name_sku_and_description(api: Api) -> None:
    await put(api, "AX-7", "Coffee mug", "For the morning")
    await put(api, "BX-7", "Tea pot", "Keeps coffee hot")
    await put(api, "CX-7", "Plate", metadata={"for": "coffee"})
    for q, skus in (
        ("coffee", ["AX-7", "BX-7"]),
        ("ax", ["AX-7"]),
        ("AX-7", ["AX-7"]),
        ("7", ["AX-7", "BX-7", "CX-7"]),
        ("morning", ["AX-7"]),
        ("saucer", []),
    ):
        assert await found(api, q) == skus, q


async def test_every_word_must_be_there_or_begin_one_that_is(api: Api) -> None:
    await put(api, "A", "White mug", "Holds three decilitres")
    await put(api, "B", "White plate")
    for q, skus in (
        ("white mug", ["A"]),
        ("mug white", ["A"]),
        ("whi mu", ["A"]),
        ("whi", ["A", "B"]),
        ("w", ["A", "B"]),
        ("white decilit", ["A"]),
        ("white cup", []),
        ("hite", []),
        ("mugs", []),
        ("white white", ["A", "B"]),
        ("white plate mug", []),
    ):
        assert await found(api, q) == skus, q


async def test_case_accents_and_width_make_no_difference(api: Api) -> None:
    await put(api, "A", "CAFÉ crème", "Straße, İstanbul")
    await put(api, "B", "日本の茶碗", "ｆｕｌｌ ｗｉｄｔｈ")
    for q, skus in (
        ("cafe", ["A"]),
        ("Café", ["A"]),
        ("cafe\u0301", ["A"]),
        ("CREME", ["A"]),
        ("strasse", ["A"]),
        ("STRASSE", ["A"]),
        ("istanbul", ["A"]),
        ("日本", ["B"]),
        ("full", ["B"]),
        ("ＦＵＬＬ width", ["B"]),
    ):
        assert await found(api, q) == skus, q


async def test_the_best_come_first(api: Api) -> None:
    await put(api, "BEGINS-BOTH", "Teapot", "A teacup comes with it")
    await put(api, "DESCRIBED", "Cup", "For tea")
    await put(api, "BEGINS-DESCRIBED", "Can", "Takes teabags")
    await put(api, "NAMED", "Green tea")
    await put(api, "TEA", "Sku")
    best = ["NAMED", "TEA", "BEGINS-BOTH", "DESCRIBED", "BEGINS-DESCRIBED"]
    assert await found(api, "tea") == best
    assert await found(api, "tea", sort="relevance") == best
    assert await found(api, "tea", sort="created_at") == [
        "BEGINS-BOTH", "DESCRIBED", "BEGINS-DESCRIBED", "NAMED", "TEA",
    ]  # fmt: skip
    assert (await found(api, "tea", sort="-name"))[0] == "BEGINS-BOTH"


async def test_of_equally_good_ones_the_oldest_comes_first(api: Api) -> None:
    for n in range(12):
        await put(api, f"S-{n}", ("Mug", "Mugs")[n % 2])
    assert await found(api, "mug") == [f"S-{n}" for n in (0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11)]


async def test_the_found_can_be_walked_in_the_order_of_their_rank(api: Api) -> None:
    names = ("Mug", "Mugs", "Cup", "Plate")
    for n in range(22):
        await put(api, f"S-{n}", names[n % 4], ("", "a mug", "mugshot")[n % 3])
    everything = await found(api, "mug")
    assert len(everything) == len({*everything}) == 18
    for query in ("q=mug", "q=mug&sort=relevance"):
        walked: list[str] = []
        target: str | None = f"{PRODUCTS}?{query}&limit=4&with_total=true"
        while target:
            answer = await api.nobody.get(target)
            walked += [product["sku"] for product in rows(answer)]
            assert answer.json()["total"] == 18
            target = answer.headers.get("Link", "")[1:].partition(">")[0] or None
        assert walked == everything
    for offset, limit in ((0, 5), (5, 5), (17, 5), (18, 5), (10_000, 5)):
        page = await found(api, "mug", offset=str(offset), limit=str(limit))
        assert page == everything[offset : offset + limit]
    numbered = await api.nobody.get(f"{PRODUCTS}?q=mug&offset=3&limit=4")
    following = await api.nobody.get(numbered.headers["Link"][1:].partition(">")[0])
    assert [product["sku"] for product in rows(following)] == everything[7:11]


async def test_of_more_than_a_thousand_the_oldest_are_ranked_and_the_others_follow(
    api: Api,
) -> None:
    price = {"amount": "1", "currency": "USD"}
    for start in (0, 1_000):
        items = [
            {"sku": f"S-{n}", "name": "Mug" if n % 100 == 50 else "Mugs", "price": price}
            for n in range(start, min(start + 1_000, 1_060))
        ]
        content(await api.staff.post(f"{PRODUCTS}/bulk", {"items": items}), 200)
    best = [f"S-{n}" for n in range(50, 1_000, 100)]
    rest = [f"S-{n}" for n in range(1_000) if n % 100 != 50]
    everything = [*best, *rest, *(f"S-{n}" for n in range(1_000, 1_060))]
    walked: list[str] = []
    target: str | None = f"{PRODUCTS}?q=mug&limit=97&with_total=true"
    while target:
        answer = await api.nobody.get(target)
        walked += [product["sku"] for product in rows(answer)]
        assert answer.json()["total"] == 1_060
        target = answer.headers.get("Link", "")[1:].partition(">")[0] or None
    assert walked == everything
    for offset in (0, 5, 950, 999, 1_000, 1_001, 1_055, 1_060, 10_000):
        assert await found(api, "mug", offset=str(offset)) == everything[offset : offset + 100]


@in_memory
async def test_relevance_is_an_order_of_a_search_alone(api: Api) -> None:
    for path in (PRODUCTS, "/v1/categories/01a19467-e800-7000-8000-00000000dead/products"):
        for query in ("sort=relevance", "sort=-relevance", "sort=-relevance&q=x"):
            refused = await api.nobody.get(f"{path}?{query}")
            problem(refused, 422, "validation-error", "query sort")
    for path in ("/v1/categories", "/v1/tags"):
        refused = await api.nobody.get(f"{path}?sort=relevance")
        problem(refused, 422, "validation-error", "query sort")


NO_WORDS: Final = (
    "", " ", "\t", "\n", "-", "---", "'", '"', '""', "%", "_", "*", "**", "&|!", "()", "((", "\\",
    "?", ":", ":*", "^", "…", "😀", "\u200b", "\u0301", ";--", "/*", "{}", "$$", "<->", "’",
)  # fmt: skip


async def test_a_query_without_a_word_finds_nothing(api: Api) -> None:
    await put(api, "A", "100% _cotton_ *soft* 😀 ' \" \\")
    empty: Json = {"items": [], "next_cursor": None, "total": 0}
    sorts: list[Json] = [{}, {"sort": "relevance"}, {"sort": "-price"}]
    for q in NO_WORDS:
        for sort in sorts:
            listed = await api.nobody.get(PRODUCTS, params={"q": q, "with_total": "true", **sort})
            assert content(listed, 200) == empty, q


TRICKY: Final = (
    "mug'", "mug\"", '"mug"', "'mug'", "mug*", "mug:*", "mug:A", "mug & ", "& mug", "mug |", "!mug",
    "-mug", "+mug", "(mug", "mug)", "mug\\", "\\mug", "%mug%", "_mug_", "mug;", "mug--",
    "mug/*", "{mug}", "[mug]", "^mug", "name:mug", "mug\tmug", "mug\nmug", "mug, mug.",
    "mug\u200b", "MUG!", "'mug':*", "''mug", "mug \\' mug", "$1mug $2", ":mug", "?mug", "😀mug😀",
)  # fmt: skip


async def test_no_sign_in_a_query_means_more_than_an_end_of_a_word(api: Api) -> None:
    await put(api, "1MUG-2", "Mug :A name 1mug 2")
    await put(api, "OTHER", "Plate")
    for q in TRICKY:
        assert await found(api, q) == ["1MUG-2"], q


async def test_no_word_of_a_query_is_an_operator(api: Api) -> None:
    await put(api, "A", "Mug or cup and not near")
    await put(api, "B", "Mug")
    for q, skus in (
        ("mug OR plate", []),
        ("mug OR cup", ["A"]),
        ("mug AND cup", ["A"]),
        ("mug AND", ["A"]),
        ("NOT cup", ["A"]),
        ("mug NOT cup", ["A"]),
        ("NEAR(mug cup)", ["A"]),
        ("NEAR(mug cup, 5)", []),
        ("OR", ["A"]),
        ("product_id", []),
        ("name", []),
        ("{name} : mug", []),
        ("null", []),
    ):
        assert await found(api, q) == skus, q


async def test_the_id_of_a_product_is_not_what_it_is_found_by(api: Api) -> None:
    product = await put(api, "A", "Mug")
    hexadecimal = product["id"].replace("-", "")
    for q in (product["id"], hexadecimal, hexadecimal[:8], f"product_id:{hexadecimal}"):
        assert await found(api, q) == [], q


async def test_the_longest_query_and_text_are_searched(api: Api) -> None:
    await put(api, "A" * 50, "é" * 200, "ß" * 10_000)
    await put(api, "B", "one two three four five six seven eight nine ten eleven")
    await put(api, "C", "日" * 200, "x" * 150)
    assert await found(api, "é" * 200) == ["A" * 50]
    assert await found(api, "ß" * 200) == ["A" * 50]
    assert await found(api, "日" * 200) == ["C"]
    assert await found(api, "x" * 150) == ["C"]
    assert await found(api, "ﷺ" * 200) == []
    assert await found(api, "one two three four five six seven eight nine ten eleven") == ["B"]
    assert await found(api, " ".join("abcdefghijklmnopqrstuvwxyz" * 3)) == []
    assert await found(api, "o " * 100) == ["B"]


@in_memory
@pytest.mark.parametrize(
    "q", ["x" * 201, "é" * 201, "%00", "a%00b", "%1b", "a%7F", "%C2%85", "%ED%A0%80", "%FF"]
)
async def test_a_query_that_is_too_long_or_no_text_is_refused(api: Api, q: str) -> None:
    target = f"{PRODUCTS}?q={q if '%' in q else quote(q)}"
    refused = await api.nobody.get(target)
    if q in ("%ED%A0%80", "%FF"):
        # What is no UTF-8 becomes the sign for that, which is no word.
        assert rows(refused) == []
    else:
        problem(refused, 422, "validation-error", "query q")
    repeated = await api.nobody.get(f"{PRODUCTS}?q=a&q=b")
    problem(repeated, 422, "validation-error", "query q")


async def test_what_a_product_is_called_now_is_what_it_is_found_by(api: Api) -> None:
    product = await put(api, "OLD-SKU", "White mug", "Round")
    path = f"{PRODUCTS}/{product['id']}"
    await api.staff.patch(path, {"name": "Blue cup"})
    assert (await found(api, "mug"), await found(api, "blue")) == ([], ["OLD-SKU"])
    await api.staff.patch(path, {"description": "Square"})
    assert (await found(api, "round"), await found(api, "squ")) == ([], ["OLD-SKU"])
    await api.staff.patch(path, {"sku": "NEW-SKU"})
    assert (await found(api, "old"), await found(api, "new")) == ([], ["NEW-SKU"])
    whole = {"sku": "LAST", "name": "Red bowl", "price": product["price"]}
    content(await api.staff.put(path, whole), 200)
    assert (await found(api, "square"), await found(api, "blue")) == ([], [])
    assert await found(api, "red last") == ["LAST"]
    # What is not part of its name moves no word.
    await api.staff.post(f"{path}/stock", {"change": 5})
    await api.staff.patch(path, {"slug": "mug", "metadata": {"mug": "mug"}})
    assert (await found(api, "bowl"), await found(api, "mug")) == (["LAST"], [])


async def test_what_is_deleted_is_found_by_staff_who_ask_for_it(api: Api) -> None:
    product = await put(api, "A", "Mug")
    hidden = await put(api, "B", "Mug", is_active=False)
    await api.staff.delete(f"{PRODUCTS}/{product['id']}")
    assert await found(api, "mug") == []
    deleted = await api.staff.get(f"{PRODUCTS}?q=mug&deleted=true")
    assert [one["sku"] for one in rows(deleted)] == ["A"]
    inactive = await api.staff.get(f"{PRODUCTS}?q=mug&is_active=false")
    assert [one["sku"] for one in rows(inactive)] == [hidden["sku"]]
    content(await api.staff.post(f"{PRODUCTS}/{product['id']}/restore"), 200)
    assert await found(api, "mug") == ["A"]


async def test_products_of_a_bulk_are_found_too(api: Api) -> None:
    price = {"amount": "1", "currency": "USD"}
    items = [{"sku": f"S-{n}", "name": f"Mug {n}", "price": price} for n in range(3)]
    await api.staff.post(f"{PRODUCTS}/bulk", {"items": [*items, {}], "on_error": "skip"})
    ids = [one["id"] for one in rows(await api.nobody.get(f"{PRODUCTS}?sort=created_at"))]
    assert await found(api, "mug") == ["S-0", "S-1", "S-2"]
    patches = [
        {"id": ids[0], "name": "Cup"},
        {"id": ids[1], "name": "Cup", "sku": "s-0"},
        {"id": ids[2], "sku": "NEW"},
    ]
    await api.staff.patch(f"{PRODUCTS}/bulk", {"items": patches, "on_error": "skip"})
    assert await found(api, "mug") == ["S-1", "NEW"]
    assert await found(api, "cup") == ["S-0"]


async def test_what_was_only_rehearsed_or_refused_is_not_found(api: Api) -> None:
    product = await put(api, "A", "Mug", slug="mug")
    path = f"{PRODUCTS}/{product['id']}"
    await put(api, "TAKEN", "Plate")
    await api.staff.patch(f"{path}?dry_run=true", {"name": "Cup"})
    await api.staff.patch(path, {"name": "Cup", "sku": "taken"})
    await api.staff.patch(path, {"name": "Cup"}, if_match='"7"')
    assert (await found(api, "cup"), await found(api, "mug")) == ([], ["A"])


async def test_changes_at_once_leave_the_words_of_what_was_kept(api: Api) -> None:
    product = await put(api, "A", "Mug")
    path = f"{PRODUCTS}/{product['id']}"
    names = [f"name{n} same" for n in range(10)]
    await asyncio.gather(*(api.staff.patch(path, {"name": name}) for name in names))
    kept = (await api.product_now(product))["name"]
    assert [name for name in names if await found(api, name)] == [kept]
    assert await found(api, "same") == ["A"]


async def test_a_search_narrows_with_every_other_filter(api: Api) -> None:
    category = await api.category(slug="kitchen")
    await api.tag("red")
    await put(api, "A", "Mug", category_id=category["id"], tags=["red"], stock=0)
    await put(api, "B", "Mug", category_id=category["id"], stock=5)
    await put(api, "C", "Mug", tags=["red"], price={"amount": "3", "currency": "USD"})
    await put(api, "D", "Plate", category_id=category["id"], tags=["red"])
    for parameters, skus in (
        ({"category": "kitchen"}, ["A", "B"]),
        ({"tag": "red"}, ["A", "C"]),
        ({"in_stock": "true"}, ["B", "C"]),
        ({"max_price": "5"}, ["C"]),
        ({"category": "kitchen", "tag": "red"}, ["A"]),
        ({"category": "kitchen", "tag": "red", "in_stock": "true"}, []),
        ({"sku": "b"}, ["B"]),
    ):
        assert await found(api, "mug", **parameters) == skus, parameters
        assert await found(api, "mug", sort="created_at", **parameters) == skus, parameters


@in_memory
async def test_a_cursor_of_a_search_belongs_to_its_words(api: Api) -> None:
    for n in range(3):
        await put(api, f"S-{n}", "Mug")
    page = await api.nobody.get(f"{PRODUCTS}?q=mug&limit=1")
    cursor = page.json()["next_cursor"]
    same = await api.nobody.get(f"{PRODUCTS}?q=mug&sort=relevance&cursor={cursor}")
    assert len(rows(same)) == 2
    for query in (
        "",
        "q=mugs",
        "q=Mug",
        "q=mug&sort=created_at",
        "q=mug&in_stock=true",
        "q=mug%20",
    ):
        refused = await api.nobody.get(f"{PRODUCTS}?{query}&cursor={cursor}")
        problem(refused, 400, "invalid-cursor")
