from collections.abc import Callable
from uuid import UUID

import pytest

from application.catalog.queries import CategoryCount, CategoryDetails
from application.content.queries import TagDetails
from application.shared.pages import PageRequest, Sort
from domain.catalog.category import CategoryId
from domain.catalog.product import Product, ProductId
from tests.builders import NOON, a_category, a_post, a_product, a_tag, a_user
from tests.contract.backends import Backend
from tests.contract.steps import everything, product_in
from tests.contract.walking import NAMES, each_page_is_right


async def test_a_tag_is_listed_with_how_many_products_on_sale_have_it(backend: Backend) -> None:
    tea, pot = a_tag(name="Tea", slug_text="tea"), a_tag(name="Pot", slug_text="pot")
    deleted = a_product(tags=[tea])
    ada = a_user()
    archived = a_post(ada, tags=[tea], published_at=NOON)
    archived.archive(at=NOON)
    await backend.keep(
        tea,
        pot,
        ada,
        archived,
        a_post(ada, tags=[tea]),
        *(a_post(ada, tags=[tea], published_at=NOON) for _ in range(3)),
        a_product(tags=[tea]),
        a_product(tags=[tea, pot]),
        a_product(tags=[tea], is_active=False),
        deleted,
        a_product(),
    )
    async with backend.begin() as work:
        (await product_in(work, deleted)).delete(at=NOON)
        await work.commit()

    page = await backend.tags.page(everything("name"))
    assert page.items == [
        TagDetails(
            id=tag.id,
            name=tag.name,
            slug=tag.slug,
            product_count=products,
            post_count=posts,
            created_at=NOON,
            version=1,
        )
        for tag, products, posts in ((pot, 1, 0), (tea, 2, 3))
    ]


async def test_a_tag_counts_what_is_on_sale_at_any_time(backend: Backend) -> None:
    tea = a_tag(slug_text="tea")
    mug = a_product(tags=[tea])
    await backend.keep(tea, mug)

    async def change(deed: Callable[[Product], None]) -> int:
        async with backend.begin() as work:
            [product] = await work.products.lock_all([ProductId(mug.id)])
            deed(product)
            await work.commit()
        [row] = (await backend.tags.page(everything("name"))).items
        return row.product_count

    assert await change(lambda product: product.revise({"is_active": False}, at=NOON)) == 0
    assert await change(lambda product: product.revise({"is_active": True}, at=NOON)) == 1
    assert await change(lambda product: product.delete(at=NOON)) == 0
    assert await change(lambda product: product.restore(at=NOON)) == 1
    assert await change(lambda product: product.revise({"tags": ()}, at=NOON)) == 0


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
async def test_tags_are_listed_in_order(backend: Backend, descending: bool) -> None:
    # No name is unique: it is the slug that tells tags apart.
    await backend.keep(*(a_tag(name=name) for name in (*NAMES, *NAMES[:3])))
    rows = (await backend.tags.page(everything("name"))).items
    assert len(rows) == len(NAMES) + 3
    sort = Sort("name", descending)
    await each_page_is_right(backend.tags.page, rows, sort, lambda tag: tag.name)


async def test_an_empty_list_of_tags_has_one_empty_page(backend: Backend) -> None:
    page = await backend.tags.page(PageRequest(sort=Sort("name"), limit=5, with_total=True))
    assert (page.items, page.next, page.total) == ([], None, 0)


async def test_the_tree_counts_what_each_category_has_on_sale_itself(backend: Backend) -> None:
    cups = a_category(name="b")
    mugs, pens = a_category(name="a", below=cups), a_category(name="B")
    deleted = a_product(category=mugs)
    await backend.keep(
        cups,
        mugs,
        pens,
        a_product(category=mugs),
        a_product(category=mugs),
        a_product(category=cups),
        a_product(category=pens, is_active=False),
        a_product(),
        deleted,
    )
    async with backend.begin() as work:
        (await product_in(work, deleted)).delete(at=NOON)
        await work.commit()

    assert [*await backend.categories.tree()] == [
        CategoryCount(CategoryDetails.of(pens), 0),
        CategoryCount(CategoryDetails.of(mugs), 2),
        CategoryCount(CategoryDetails.of(cups), 1),
    ]


async def test_categories_are_found_by_their_ids_and_by_their_paths(backend: Backend) -> None:
    cups = a_category(name="Cups")
    mugs = a_category(name="Mugs", below=cups)
    red, other = a_category(name="Red / big", below=mugs), a_category(name="Mugs")
    await backend.keep(cups, mugs, red, other)

    async with backend.begin() as work:
        nobody = CategoryId(UUID(int=1))
        found = await work.categories.find_all([CategoryId(red.id), CategoryId(cups.id), nobody])
        assert {one.id for one in found} == {red.id, cups.id}
        assert await work.categories.find_all([]) == []
        work.categories.add(new := a_category(name="New", below=red))
        assert await work.categories.paths() == {
            ("Cups",): cups.id,
            ("Cups", "Mugs"): mugs.id,
            ("Cups", "Mugs", "Red / big"): red.id,
            ("Cups", "Mugs", "Red / big", "New"): new.id,
            ("Mugs",): other.id,
        }
