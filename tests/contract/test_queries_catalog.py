from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter
from typing import Any, Final
from uuid import uuid4

import pytest

from application.catalog.queries import (
    CategoryDetails,
    CategoryName,
    ProductDetails,
    ProductFilter,
)
from application.shared.pages import Page, PageRequest, Position, Sort
from domain.catalog.category import CategoryId
from domain.catalog.product import Product, ProductId, sku
from tests.builders import NOON, a_category, a_product, money
from tests.contract.backends import Backend
from tests.contract.steps import category_in, everything, product_in
from tests.contract.walking import NAMES, each_page_is_right, in_order, walk

CATEGORY_SORTS: Final[dict[str, Callable[[CategoryDetails], Any]]] = {
    "name": attrgetter("name"),
    "created_at": attrgetter("created_at"),
}
PRODUCT_SORTS: Final[dict[str, Callable[[ProductDetails], Any]]] = {
    "name": attrgetter("name"),
    "price": attrgetter("price.minor"),
    "created_at": attrgetter("created_at"),
    "updated_at": attrgetter("updated_at"),
    "stock": attrgetter("stock"),
}
both_directions = pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])


async def test_a_category_is_found_with_all_that_is_known_of_it(backend: Backend) -> None:
    cups = a_category()
    mugs = a_category(description="To drink from", below=cups)
    await backend.keep(cups, mugs)

    assert await backend.categories.find(CategoryId(mugs.id)) == CategoryDetails.of(mugs)
    assert await backend.categories.find(CategoryId(cups.id)) == CategoryDetails.of(cups)
    assert await backend.categories.find(CategoryId(uuid4())) is None


async def test_a_product_is_found_with_all_that_is_known_of_it(backend: Backend) -> None:
    mugs = a_category(name="Mugs", slug_text="mugs")
    mug = a_product(category=mugs, metadata={"colour": "red"}, price=money("1.234", "KWD"))
    pot = a_product()
    await backend.keep(mugs, mug, pot)

    found = await backend.products.find(ProductId(mug.id))
    assert found == ProductDetails.of(mug, mugs)
    assert found.category == CategoryName(mugs.id, "Mugs", "mugs")
    assert await backend.products.find(ProductId(pot.id)) == ProductDetails.of(pot, None)
    assert await backend.products.find(ProductId(uuid4())) is None


async def test_a_deleted_product_is_found(backend: Backend) -> None:
    mug = a_product()
    await backend.keep(mug)
    async with backend.begin() as work:
        deleted = await product_in(work, mug)
        deleted.delete(at=NOON)
        await work.commit()

    found = await backend.products.find(ProductId(mug.id))
    assert found == ProductDetails.of(deleted, None)
    assert found.deleted_at == NOON


async def test_a_product_shows_its_category_as_it_is_now(backend: Backend) -> None:
    mugs = a_category(name="Mugs")
    mug = a_product(category=mugs)
    await backend.keep(mugs, mug)
    async with backend.begin() as work:
        (await category_in(work, mugs)).revise({"name": "Cups"}, at=NOON)
        await work.commit()

    found = await backend.products.find(ProductId(mug.id))
    page = await backend.products.page(everything("name"), ProductFilter())
    for seen in (found, *page.items):
        assert seen is not None
        assert seen.category is not None
        assert seen.category.name == "Cups"


@both_directions
@pytest.mark.parametrize("field", CATEGORY_SORTS)
async def test_categories_are_listed_in_order(
    backend: Backend, field: str, descending: bool
) -> None:
    categories = [
        a_category(name=name, at=NOON - timedelta(microseconds=number % 3))
        for number, name in enumerate(NAMES)
    ]
    await backend.keep(*categories)

    rows = [CategoryDetails.of(category) for category in categories]
    await each_page_is_right(
        backend.categories.page, rows, Sort(field, descending), CATEGORY_SORTS[field]
    )


def awkward_products() -> list[Product]:
    """Many of which are the same in one thing and differ in another."""
    return [
        a_product(
            name=NAMES[number % len(NAMES)],
            price=money(str(number % 4 * 1000), ("JPY", "KWD")[number % 2]),
            stock=number % 3,
            at=NOON - timedelta(microseconds=number % 5),
        )
        for number in range(2 * len(NAMES))
    ]


@both_directions
@pytest.mark.parametrize("field", PRODUCT_SORTS)
async def test_products_are_listed_in_order(backend: Backend, field: str, descending: bool) -> None:
    mugs = a_category()
    products = awkward_products()
    await backend.keep(mugs, *products)
    async with backend.begin() as work:
        for number, product in enumerate(products):
            (await product_in(work, product)).revise(
                {"category_id": CategoryId(mugs.id)}, at=NOON + timedelta(seconds=number % 2)
            )
        await work.commit()

    rows = (await backend.products.page(everything("name"), ProductFilter())).items
    assert len(rows) == len(products)

    async def pages(request: PageRequest) -> Page[ProductDetails]:
        return await backend.products.page(request, ProductFilter())

    await each_page_is_right(pages, rows, Sort(field, descending), PRODUCT_SORTS[field])


@both_directions
async def test_a_walk_gives_each_row_once_while_others_are_being_added(
    backend: Backend, descending: bool
) -> None:
    products = awkward_products()
    await backend.keep(*products)
    sort = Sort("name", descending)
    rows = (await backend.products.page(everything("name"), ProductFilter())).items
    others = awkward_products()

    async def pages(request: PageRequest) -> Page[ProductDetails]:
        page = await backend.products.page(request, ProductFilter())
        await backend.keep(others.pop(), others.pop(0))
        return page

    seen = await walk(pages, sort, limit=5)
    ids = {row.id for row in rows}
    assert [row for row in seen if row.id in ids] == in_order(rows, sort, PRODUCT_SORTS["name"])
    assert len({row.id for row in seen}) == len(seen)
    assert len(seen) > len(rows)


async def test_a_page_can_begin_after_a_row_that_is_gone(backend: Backend) -> None:
    apple, banana, cherry = (a_category(name=name) for name in ("apple", "banana", "cherry"))
    await backend.keep(apple, banana, cherry)
    async with backend.begin() as work:
        await work.categories.remove(await category_in(work, banana))
        await work.commit()

    after = Position("banana", banana.id)
    page = await backend.categories.page(PageRequest(sort=Sort("name"), limit=5, after=after))
    assert [row.name for row in page.items] == ["cherry"]
    assert page.next is None


async def test_an_empty_list_has_one_empty_page(backend: Backend) -> None:
    request = PageRequest(sort=Sort("name"), limit=5, with_total=True)
    assert await backend.categories.page(request) == Page([], total=0)
    assert await backend.products.page(request, ProductFilter()) == Page([], total=0)


async def test_products_are_filtered(backend: Backend) -> None:
    active, inactive = a_product(sku_text="A"), a_product(sku_text="B", is_active=False)
    deleted, gone = a_product(sku_text="C"), a_product(sku_text="D", is_active=False)
    await backend.keep(active, inactive, deleted, gone)
    async with backend.begin() as work:
        (await product_in(work, deleted)).delete(at=NOON)
        (await product_in(work, gone)).delete(at=NOON)
        await work.commit()
    await backend.keep(a_product(sku_text="C"))

    async def found(wanted: ProductFilter) -> list[tuple[str, bool]]:
        request = PageRequest(sort=Sort("created_at"), limit=10, with_total=True)
        page = await backend.products.page(request, wanted)
        assert page.total == len(page.items)
        return sorted((row.sku, row.deleted_at is not None) for row in page.items)

    assert await found(ProductFilter()) == [("A", False), ("B", False), ("C", False)]
    assert await found(ProductFilter(is_active=True)) == [("A", False), ("C", False)]
    assert await found(ProductFilter(is_active=False)) == [("B", False)]
    assert await found(ProductFilter(deleted=True)) == [("C", True), ("D", True)]
    assert await found(ProductFilter(deleted=True, is_active=True)) == [("C", True)]
    assert await found(ProductFilter(skus=(sku("a"), sku("c"), sku("x")))) == [
        ("A", False),
        ("C", False),
    ]
    assert await found(ProductFilter(skus=(sku("b"),), is_active=True)) == []
    assert await found(ProductFilter(skus=(sku("c"),), deleted=True)) == [("C", True)]


async def test_the_total_counts_what_is_filtered_and_not_the_page(backend: Backend) -> None:
    await backend.keep(*(a_product(is_active=number % 3 != 0) for number in range(9)))

    request = PageRequest(sort=Sort("name"), limit=2, offset=5, with_total=True)
    page = await backend.products.page(request, ProductFilter(is_active=True))
    assert (len(page.items), page.total, page.next) == (1, 6, None)
