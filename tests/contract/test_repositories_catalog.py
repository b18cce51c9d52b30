from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest

from domain.catalog.category import (
    CATEGORY_NAME_LENGTH,
    DEEPEST,
    DESCRIPTION_LENGTH,
    Category,
    CategoryId,
    CategoryNotFound,
)
from domain.catalog.product import (
    DEAREST,
    LARGEST_STOCK,
    METADATA_KEY_LENGTH,
    METADATA_PAIRS,
    METADATA_VALUE_LENGTH,
    PRODUCT_NAME_LENGTH,
    SKU_LENGTH,
    ProductId,
    ProductNotFound,
    sku,
)
from domain.shared.money import CURRENCIES, Money
from domain.shared.text import SLUG_LENGTH, Slug
from infrastructure.memory.copying import state_of
from tests.builders import BY_HAND, NOON, a_category, a_product
from tests.contract.backends import Backend
from tests.contract.steps import category_in, lock_products, product_in

TEA = "\U0001f375"
LATER = NOON + timedelta(hours=1)


def ids(*categories: Category) -> list[CategoryId]:
    return [CategoryId(category.id) for category in categories]


def chain(length: int) -> list[Category]:
    """A root, its child, the child's child and so on."""
    categories = [a_category()]
    while len(categories) < length:
        categories.append(a_category(below=categories[-1]))
    return categories


async def test_a_category_comes_back_as_it_was(backend: Backend) -> None:
    cups = a_category()
    mugs = a_category(
        name=TEA * CATEGORY_NAME_LENGTH,
        slug_text="m" * SLUG_LENGTH,
        description="a\tb\r\nc" + TEA * (DESCRIPTION_LENGTH - 6),
        below=cups,
        at=datetime(2026, 3, 14, 13, 0, 0, 123456, timezone(timedelta(hours=5, minutes=30))),
    )
    await backend.keep(cups, mugs)

    async with backend.begin() as work:
        assert state_of(await category_in(work, mugs)) == state_of(mugs)
        assert state_of(await category_in(work, cups)) == state_of(cups)


async def test_a_product_comes_back_as_it_was(backend: Backend) -> None:
    mugs = a_category()
    mug = a_product(
        sku_text="S" * SKU_LENGTH,
        slug_text="m" * SLUG_LENGTH,
        name=TEA * PRODUCT_NAME_LENGTH,
        description="'; DROP TABLE products; -- \\ %s :name ? \" \u2028",
        price=Money(DEAREST, CURRENCIES["KWD"]),
        stock=LARGEST_STOCK,
        is_active=False,
        category=mugs,
        metadata={
            f"{number:02}".ljust(METADATA_KEY_LENGTH, "k"): "ä" * METADATA_VALUE_LENGTH
            for number in range(METADATA_PAIRS)
        },
        at=datetime(1970, 1, 1, 0, 0, 0, 1, UTC),
    )
    await backend.keep(mugs, mug)

    async with backend.begin() as work:
        assert state_of(await product_in(work, mug)) == state_of(mug)


async def test_a_product_that_has_little_comes_back_as_it_was(backend: Backend) -> None:
    mug = a_product(price=Money(0, CURRENCIES["JPY"]), stock=0)
    await backend.keep(mug)

    async with backend.begin() as work:
        assert state_of(await product_in(work, mug)) == state_of(mug)


async def test_everything_about_a_product_can_be_changed(backend: Backend) -> None:
    mugs = a_category()
    mug = a_product(category=mugs, metadata={"colour": "red"})
    await backend.keep(mugs, mug)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        product.revise(
            {
                "sku": sku("CUP"),
                "slug": Slug("cup"),
                "name": "Cup",
                "description": "To drink from",
                "price": Money(1, CURRENCIES["JPY"]),
                "category_id": None,
                "is_active": False,
                "metadata": {},
            },
            at=LATER,
        )
        product.put_back(1, BY_HAND, at=LATER)
        await work.commit()
    async with backend.begin() as work:
        assert state_of(await product_in(work, mug)) == state_of(product)


async def test_who_looks_for_what_is_not_there_is_told_so(backend: Backend) -> None:
    nowhere, nothing = CategoryId(uuid4()), ProductId(uuid4())
    async with backend.begin() as work:
        for lock in (False, True):
            with pytest.raises(CategoryNotFound):
                await work.categories.get(nowhere, lock=lock)
            with pytest.raises(ProductNotFound):
                await work.products.get(nothing, lock=lock)
        with pytest.raises(CategoryNotFound):
            await work.categories.path(nowhere)
        assert await work.categories.children(nowhere) == []
        await work.categories.lock_all([nowhere])
        await work.categories.lock_all([])
        await work.products.leave(nowhere, at=NOON)


async def test_a_deleted_product_is_not_found(backend: Backend) -> None:
    mug = a_product()
    await backend.keep(mug)
    async with backend.begin() as work:
        (await product_in(work, mug)).delete(at=NOON)
        await work.commit()

    async with backend.begin() as work:
        for lock in (False, True):
            with pytest.raises(ProductNotFound):
                await product_in(work, mug, lock=lock)


async def test_a_path_leads_from_a_category_to_its_root(backend: Backend) -> None:
    categories = chain(DEEPEST)
    await backend.keep(*categories, a_category(), a_category(below=categories[3]))

    async with backend.begin() as work:
        for depth in (1, 2, DEEPEST):
            upwards = categories[:depth][::-1]
            assert [*await work.categories.path(ids(upwards[0])[0])] == ids(*upwards)


async def test_the_height_of_a_category_counts_its_longest_branch(backend: Backend) -> None:
    trunk = chain(4)
    twig = a_category(below=trunk[1])
    await backend.keep(*trunk, twig)

    async with backend.begin() as work:
        heights = [await work.categories.height(id) for id in ids(*trunk, twig)]
    assert heights == [4, 3, 2, 1, 1]


async def test_children_are_those_right_below_in_the_order_of_their_ids(
    backend: Backend,
) -> None:
    cups = a_category()
    below = sorted([a_category(below=cups) for _ in range(3)], key=lambda found: found.id)
    await backend.keep(cups, *below[::-1], a_category(below=below[0]), a_category())

    async with backend.begin() as work:
        children = await work.categories.children(CategoryId(cups.id))
        again = [await category_in(work, child) for child in below]
    assert ids(*children) == ids(*below)
    assert all(child is found for child, found in zip(children, again, strict=True))


async def test_a_category_that_is_removed_is_gone(backend: Backend) -> None:
    mugs = a_category()
    await backend.keep(mugs)

    async with backend.begin() as work:
        await work.categories.remove(await category_in(work, mugs))
        with pytest.raises(CategoryNotFound):
            await category_in(work, mugs)
        await work.commit()
    async with backend.begin() as work:
        with pytest.raises(CategoryNotFound):
            await category_in(work, mugs)


async def test_slugs_are_taken_by_what_bears_them_now(backend: Backend) -> None:
    category = a_category(slug_text="mugs")
    mug, pot = a_product(slug_text="mug"), a_product(slug_text="pot")
    await backend.keep(category, mug, pot)

    async with backend.begin() as work:
        (await product_in(work, pot)).delete(at=NOON)
        wanted = [Slug(slug) for slug in ("mugs", "mug", "pot", "cup")]
        assert await work.categories.taken(wanted) == {"mugs"}
        assert await work.products.taken(wanted) == {"mug"}
        assert await work.categories.taken([]) == set()
        assert await work.products.taken([]) == set()


async def test_products_are_locked_by_id_and_by_sku_each_once(backend: Backend) -> None:
    products = [a_product() for _ in range(4)]
    await backend.keep(*products)
    by_id, by_both, by_sku, _ = products

    async with backend.begin() as work:
        found = await work.products.lock_all(
            [ProductId(by_both.id), ProductId(by_id.id), ProductId(by_id.id), ProductId(uuid4())],
            [by_sku.sku, by_both.sku, by_both.sku, sku("NONE")],
        )
        assert await work.products.lock_all([]) == []
    assert [product.id for product in found] == sorted(
        product.id for product in (by_id, by_both, by_sku)
    )


async def test_a_deleted_product_is_locked_by_id_but_not_by_sku(backend: Backend) -> None:
    old = a_product(sku_text="MUG")
    await backend.keep(old)
    async with backend.begin() as work:
        (await product_in(work, old)).delete(at=NOON)
        await work.commit()
    new = a_product(sku_text="MUG")
    await backend.keep(new)

    async with backend.begin() as work:
        assert [found.id for found in await lock_products(work, old)] == [old.id]
        assert [found.id for found in await work.products.lock_all([], [old.sku])] == [new.id]


async def test_everything_inside_a_category_leaves_it_and_nothing_else(backend: Backend) -> None:
    cups = a_category()
    mugs = a_category(below=cups)
    mug, bowl, deleted = (a_product(category=mugs) for _ in range(3))
    cup, pot = a_product(category=cups), a_product()
    await backend.keep(cups, mugs, mug, bowl, deleted, cup, pot)

    async with backend.begin() as work:
        (await product_in(work, deleted)).delete(at=NOON)
        await work.products.leave(CategoryId(mugs.id), at=LATER)
        await work.commit()

    details = [
        await backend.products.find(ProductId(product.id))
        for product in (mug, bowl, deleted, cup, pot)
    ]
    assert [(found.category_id, found.updated_at, found.version) for found in details if found] == [
        (None, LATER, 2),
        (None, LATER, 2),
        (None, LATER, 3),
        (cups.id, NOON, 1),
        (None, NOON, 1),
    ]


async def test_whoever_holds_a_product_sees_it_leave(backend: Backend) -> None:
    mugs = a_category()
    mug = a_product(category=mugs, stock=5)
    await backend.keep(mugs, mug)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        await work.products.leave(CategoryId(mugs.id), at=LATER)
        assert (product.category_id, product.updated_at, product.version) == (None, LATER, 2)
        product.take(1, BY_HAND, at=LATER)
        await work.commit()

    assert await backend.stock(mug) == [4]
