"""Every filter in every order, compared with what Python makes of the same rows."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product as combinations
from typing import Final
from uuid import UUID, uuid4

import pytest

from application.catalog.queries import (
    RELEVANCE,
    InCategory,
    ProductDetails,
    ProductFilter,
)
from application.catalog.search import Rank, Searchable
from application.shared.pages import Page, PageRequest, Position, Sort
from domain.catalog.category import CategoryId
from domain.catalog.product import Product, ProductId, sku
from domain.shared.ids import new_id
from domain.shared.text import Slug
from infrastructure.memory.copying import entity_of, state_of
from infrastructure.sql.catalog.listing import listing
from tests.builders import NOON, a_category, a_product, a_tag, gbp, usd
from tests.contract.backends import Backend
from tests.contract.steps import everything, having_many, names_found, product_in
from tests.contract.test_queries_catalog import PRODUCT_SORTS
from tests.contract.walking import each_page_is_right

CUPS, MUGS, BIG, PENS = (
    a_category(slug_text=slug) for slug in ("cups", "mugs-in-cups", "big", "pens")
)
MUGS.parent_id, BIG.parent_id = CategoryId(CUPS.id), CategoryId(MUGS.id)
TEA, RED, POT = (a_tag(slug_text=slug) for slug in ("tea", "red", "pot"))

Test = Callable[[ProductDetails], bool]


def a_shop() -> list[Product]:
    """Of all sorts; one in five is to be deleted."""
    shelves = (None, CUPS, MUGS, BIG, PENS)
    tagged = ((), (TEA,), (TEA, RED), (RED, POT, TEA))
    names = ("Red mug", "Blue mug", "Mugged", "Cup")
    return [
        a_product(
            name=names[number % 4],
            description=("", "no mug", "A cup like a mug")[number % 3],
            price=(gbp, usd)[number % 2](str(number % 7)),
            stock=number % 3,
            is_active=number % 4 != 1,
            category=shelves[number // 2 % 5],
            tags=tagged[number // 3 % 4],
            at=NOON - timedelta(microseconds=number % 6),
        )
        for number in range(45)
    ]


async def fill(backend: Backend) -> list[ProductDetails]:
    """Every product that is on file then, the deleted ones included."""
    products = a_shop()
    # Copies, for what is stored once is not new to the next storage.
    shelves_and_tags = [
        entity_of(type(one), state_of(one)) for one in (CUPS, MUGS, BIG, PENS, TEA, RED, POT)
    ]
    await backend.keep(*shelves_and_tags, *products)
    async with backend.begin() as work:
        for number, one in enumerate(products):
            if number % 5 == 4:
                (await work.products.get(ProductId(one.id))).delete(at=NOON)
        await work.commit()
    found = [await backend.products.find(ProductId(one.id)) for one in products]
    return [one for one in found if one]


def is_in(*slugs: str) -> Test:
    return lambda one: one.category is not None and one.category.slug in slugs


def has(*tags: Slug) -> Test:
    return lambda one: {*tags} <= {*one.tags}


def costs(currency: str, least: int, most: int) -> Test:
    return lambda one: one.price.currency.code == currency and least <= one.price.minor <= most


def says(*words: str) -> Test:
    return lambda one: score(one, words) > 0


def score(one: ProductDetails, words: tuple[str, ...]) -> int:
    found = Searchable.of(name=one.name, sku=one.sku, description=one.description)
    return found.score(words)


def everything_at_all(_: ProductDetails) -> bool:
    return True


def nothing(_: ProductDetails) -> bool:
    return False


FILTERS: Final[list[tuple[ProductFilter, Test]]] = [
    (ProductFilter(), everything_at_all),
    (ProductFilter(is_active=True), lambda one: one.is_active),
    (ProductFilter(is_active=False), lambda one: not one.is_active),
    (ProductFilter(in_stock=True), lambda one: one.stock > 0),
    (ProductFilter(in_stock=False), lambda one: one.stock == 0),
    (ProductFilter(category=InCategory(slug="cups")), is_in("cups", "mugs-in-cups", "big")),
    (ProductFilter(category=InCategory(id=CategoryId(MUGS.id))), is_in("mugs-in-cups", "big")),
    (ProductFilter(category=InCategory(slug="big")), is_in("big")),
    (ProductFilter(category=InCategory(slug="cups", only=True)), is_in("cups")),
    (ProductFilter(category=InCategory(id=CategoryId(MUGS.id), only=True)), is_in("mugs-in-cups")),
    (ProductFilter(category=InCategory(slug="none")), nothing),
    (ProductFilter(category=InCategory(id=CategoryId(uuid4()))), nothing),
    (ProductFilter(category=InCategory()), nothing),
    (ProductFilter(tags=(TEA.slug,)), has(TEA.slug)),
    (ProductFilter(tags=(TEA.slug, RED.slug)), has(TEA.slug, RED.slug)),
    (ProductFilter(tags=(RED.slug, RED.slug, POT.slug)), has(RED.slug, POT.slug)),
    (ProductFilter(tags=(TEA.slug, Slug("none"))), nothing),
    (ProductFilter(min_price=gbp("2")), costs("GBP", 200, 10**9)),
    (ProductFilter(min_price=gbp("0")), costs("GBP", 0, 10**9)),
    (ProductFilter(max_price=usd("3")), costs("USD", 0, 300)),
    (ProductFilter(min_price=usd("1"), max_price=usd("4.99")), costs("USD", 100, 499)),
    (ProductFilter(max_price=gbp("0")), costs("GBP", 0, 0)),
    (ProductFilter(min_price=gbp("1"), max_price=usd("4")), nothing),
    (ProductFilter(min_price=gbp("4"), max_price=gbp("3")), nothing),
    (ProductFilter(words=("mug",)), says("mug")),
    (ProductFilter(words=("mug", "cup")), says("mug", "cup")),
    (ProductFilter(words=("none",)), nothing),
    (ProductFilter(words=()), nothing),
    (
        ProductFilter(
            words=("mug",),
            category=InCategory(slug="cups"),
            tags=(TEA.slug,),
            max_price=gbp("5"),
            in_stock=True,
            is_active=True,
        ),
        lambda one: (
            says("mug")(one)
            and is_in("cups", "mugs-in-cups", "big")(one)
            and has(TEA.slug)(one)
            and costs("GBP", 0, 500)(one)
            and one.stock > 0
            and one.is_active
        ),
    ),
    (
        ProductFilter(category=InCategory(id=CategoryId(CUPS.id)), is_active=True, in_stock=False),
        lambda one: is_in("cups", "mugs-in-cups", "big")(one) and one.is_active and not one.stock,
    ),
]


async def test_a_filter_shows_what_fits_in_any_order_and_counts_it(backend: Backend) -> None:
    shop = await fill(backend)
    for (wanted, fits), deleted in combinations(FILTERS, (False, True)):
        wanted = with_deleted(wanted, deleted)
        rows = [one for one in shop if fits(one) and (one.deleted_at is not None) is deleted]
        for field, by in PRODUCT_SORTS.items():
            for descending in (False, True):
                expected = sorted(rows, key=lambda row: (by(row), row.id), reverse=descending)
                request = PageRequest(
                    sort=Sort(field, descending), limit=7, offset=3, with_total=True
                )
                page = await backend.products.page(request, wanted)
                assert page.items == expected[3:10], (wanted, request)
                assert page.total == len(rows)
                assert (page.next is None) is (len(rows) <= 10)


def with_deleted(wanted: ProductFilter, deleted: bool) -> ProductFilter:
    return ProductFilter(
        words=wanted.words,
        category=wanted.category,
        tags=wanted.tags,
        skus=wanted.skus,
        min_price=wanted.min_price,
        max_price=wanted.max_price,
        in_stock=wanted.in_stock,
        is_active=wanted.is_active,
        deleted=deleted,
    )


@pytest.mark.parametrize(
    "wanted",
    [
        ProductFilter(category=InCategory(slug="cups")),
        ProductFilter(category=InCategory(id=CategoryId(CUPS.id), only=True), is_active=True),
        ProductFilter(tags=(TEA.slug,), in_stock=True),
        ProductFilter(min_price=gbp("1"), deleted=True),
        ProductFilter(words=("mug",), category=InCategory(slug="cups")),
    ],
    ids=["subtree", "category", "tag", "price", "words"],
)
@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
async def test_each_page_of_a_filter_is_right(
    backend: Backend, wanted: ProductFilter, descending: bool
) -> None:
    await fill(backend)
    rows = (await backend.products.page(everything("name"), wanted)).items
    assert len(rows) > 3

    async def pages(request: PageRequest) -> Page[ProductDetails]:
        return await backend.products.page(request, wanted)

    for field, by in PRODUCT_SORTS.items():
        await each_page_is_right(pages, rows, Sort(field, descending), by)


async def test_each_page_by_relevance_is_right(backend: Backend) -> None:
    await fill(backend)
    words = ("mug",)
    for wanted in (
        ProductFilter(words=words),
        ProductFilter(words=words, category=InCategory(slug="cups")),
        ProductFilter(words=words, tags=(TEA.slug,), is_active=True, deleted=True),
    ):

        async def pages(request: PageRequest) -> Page[ProductDetails]:
            return await backend.products.page(request, wanted)  # noqa: B023

        rows = (await pages(everything("name"))).items
        assert len({score(row, words) for row in rows}) > 1
        await each_page_is_right(pages, rows, Sort(RELEVANCE), lambda row: -score(row, words))
        # There is no other order: what fits worst is nothing to begin with.
        down = await pages(PageRequest(sort=Sort(RELEVANCE, descending=True), limit=100))
        assert down.items == (await pages(everything(RELEVANCE))).items


async def test_what_is_common_in_sqlite_is_found_as_what_is_rare(sqlite: Backend) -> None:
    await fill(sqlite)
    pages = []
    for wanted, _ in FILTERS:
        sort = Sort(RELEVANCE) if wanted.words else Sort("stock", descending=True)
        for after in (
            None,
            (await sqlite.products.page(PageRequest(sort=sort, limit=4), wanted)).next,
        ):
            request = PageRequest(sort=sort, limit=4, after=after)
            pages.append((request, wanted, await sqlite.products.page(request, wanted)))
    for many in (1, 5):
        with having_many(many):
            for request, wanted, rare in pages:
                assert await sqlite.products.page(request, wanted) == rare, (wanted, request)


async def test_who_asks_in_the_same_way_shares_a_statement(sql: Backend) -> None:
    pages = sql.products.page
    listing.cache_clear()
    for tag, price, offset in ((TEA.slug, "1.00", 1), (Slug("new"), "2.00", 9)):
        request = PageRequest(sort=Sort("name"), limit=4, offset=offset)
        await pages(request, ProductFilter(tags=(tag,), max_price=gbp(price)))
    for last in (None, new_id(NOON)):
        after = Position(str(Rank(-8, last)), new_id(NOON))
        request = PageRequest(sort=Sort(RELEVANCE), limit=4, after=after)
        for word in ("mug", "pot"):
            await pages(request, ProductFilter(words=(word,)))
    assert listing.cache_info().misses == 3


async def test_no_words_find_nothing_in_whatever_order(backend: Backend) -> None:
    await fill(backend)
    for field in (*PRODUCT_SORTS, RELEVANCE):
        for wanted in (
            ProductFilter(words=()),
            ProductFilter(words=(), category=InCategory(slug="cups"), deleted=True),
        ):
            request = PageRequest(sort=Sort(field), limit=5, with_total=True)
            assert await backend.products.page(request, wanted) == Page([], total=0)


async def test_a_category_that_is_named_by_its_id_is_not_meant_by_its_slug(
    backend: Backend,
) -> None:
    by_id, by_slug = a_category(), a_category(slug_text="cups")
    below = a_category(below=by_id)
    await backend.keep(
        by_id,
        by_slug,
        below,
        a_product(name="by id", category=by_id),
        a_product(name="below", category=below),
        a_product(name="by slug", category=by_slug),
    )

    async def found(id: UUID, *, only: bool = False) -> set[str]:
        category = InCategory(id=CategoryId(id), slug="cups", only=only)
        return await names_found(backend, ProductFilter(category=category))

    assert await found(by_id.id) == {"by id", "below"}
    assert await found(by_id.id, only=True) == {"by id"}
    assert await found(uuid4()) == set()


async def test_a_subtree_is_as_deep_as_the_tree_is_now(backend: Backend) -> None:
    cups, mugs = a_category(slug_text="cups"), a_category(slug_text="mugs")
    await backend.keep(cups, mugs, a_product(name="Mug", category=mugs))
    wanted = ProductFilter(category=InCategory(slug="cups"))
    assert await names_found(backend, wanted) == set()
    async with backend.begin() as work:
        moved = await work.categories.get(CategoryId(mugs.id))
        moved.move([CategoryId(cups.id)], height=1, at=NOON)
        await work.commit()
    assert await names_found(backend, wanted) == {"Mug"}


async def test_skus_are_exact_and_in_any_number(backend: Backend) -> None:
    await backend.keep(a_product(sku_text="A"), a_product(sku_text="A-1"), a_product(sku_text="B"))
    wanted = ProductFilter(
        skus=(sku("a"), sku("a"), *(sku(f"X-{n}") for n in range(500)), sku("b"))
    )
    page = await backend.products.page(everything("name"), wanted)
    assert sorted(one.sku for one in page.items) == ["A", "B"]


async def test_the_one_that_bears_a_sku_or_slug_now_is_found_by_it(backend: Backend) -> None:
    mugs = a_category()
    old = a_product(sku_text="MUG", slug_text="mug", category=mugs)
    await backend.keep(mugs, old)
    assert await backend.products.by_sku(old.sku) == ProductDetails.of(old, mugs)
    assert await backend.products.by_slug(old.slug) == ProductDetails.of(old, mugs)

    async with backend.begin() as work:
        (await product_in(work, old)).delete(at=NOON)
        await work.commit()
    assert await backend.products.by_sku(old.sku) is None
    assert await backend.products.by_slug(old.slug) is None

    new = a_product(sku_text="MUG", slug_text="mug")
    await backend.keep(new)
    assert await backend.products.by_sku(old.sku) == ProductDetails.of(new, None)
    assert await backend.products.by_slug(old.slug) == ProductDetails.of(new, None)
    assert await backend.products.by_slug(Slug("MUG")) is None
