from dataclasses import replace

import pytest

from application.catalog.drafts import Draft, ProductPatch
from application.catalog.queries import CategoryName
from application.catalog.revision import Revision
from application.catalog.stocking import Stocking
from application.shared.errors import RowRefused, StaleVersion
from domain.catalog.category import CategoryId, CategoryNotFound
from domain.catalog.product import (
    Product,
    ProductId,
    ProductNotFound,
    ProductSlugTaken,
    SkuTaken,
    sku,
)
from domain.identity.user import Role
from domain.shared.errors import DomainError, Forbidden, InvalidValue
from domain.shared.text import Slug
from tests.builders import (
    NOON,
    Ticking,
    a_category,
    a_draft,
    a_product,
    an_actor,
    gbp,
)
from tests.unit.shop import Shop

STAFF = an_actor(Role.STAFF)


@pytest.fixture
def stocking(shop: Shop) -> Stocking:
    return Stocking(shop.begin, Ticking())


@pytest.fixture
def revision(shop: Shop) -> Revision:
    return Revision(shop.begin, Ticking())


def id_of(product: Product) -> ProductId:
    return ProductId(product.id)


def skus(shop: Shop) -> list[str]:
    return sorted(product.sku for product in shop.database.all(Product))


async def test_a_new_product_is_on_file_with_its_category(shop: Shop, stocking: Stocking) -> None:
    mugs = a_category(name="Mugs", slug_text="mugs")
    await shop.keep(mugs)
    made = await stocking.create(
        STAFF, a_draft(sku_text="mug-1", name="Blue mug", price=gbp("9.99"), category=mugs)
    )
    assert (made.sku, made.slug, made.price, made.version) == ("MUG-1", "blue-mug", gbp("9.99"), 1)
    assert made.category == CategoryName(mugs.id, "Mugs", "mugs")
    assert await shop.products.find(ProductId(made.id)) == made
    assert shop.events == ["product.created"]


async def test_a_product_needs_no_category(stocking: Stocking) -> None:
    made = await stocking.create(STAFF, a_draft())
    assert (made.category_id, made.category) == (None, None)


async def test_a_product_lies_in_no_category_that_is_not_there(
    shop: Shop, stocking: Stocking
) -> None:
    with pytest.raises(CategoryNotFound):
        await stocking.create(STAFF, a_draft(category=a_category()))
    assert skus(shop) == []


async def test_a_suggested_slug_that_is_taken_is_made_different_by_the_sku(
    shop: Shop, stocking: Stocking
) -> None:
    await shop.keep(a_product(slug_text="blue-mug"))
    made = await stocking.create(STAFF, a_draft(sku_text="MUG-2", name="Blue mug"))
    assert made.slug == "blue-mug-mug-2"


async def test_a_name_without_latin_letters_suggests_the_sku(stocking: Stocking) -> None:
    assert (await stocking.create(STAFF, a_draft(sku_text="MUG-2", name="茶"))).slug == "mug-2"


async def test_a_chosen_slug_that_is_taken_is_refused(shop: Shop, stocking: Stocking) -> None:
    await shop.keep(a_product(slug_text="mug"))
    with pytest.raises(ProductSlugTaken):
        await stocking.create(STAFF, a_draft(slug_text="mug"))
    assert shop.count(Product) == 1


async def test_a_sku_is_taken_in_either_case(shop: Shop, stocking: Stocking) -> None:
    await shop.keep(a_product(sku_text="MUG"))
    with pytest.raises(SkuTaken) as taken:
        await stocking.create(STAFF, a_draft(sku_text="mug"))
    assert taken.value.details == {"field": "sku"}
    assert shop.events == []


async def test_the_sku_and_slug_of_a_deleted_product_are_free_again(
    shop: Shop, stocking: Stocking, revision: Revision
) -> None:
    old = a_product(sku_text="MUG", slug_text="mug")
    await shop.keep(old)
    await revision.delete(STAFF, id_of(old))
    made = await stocking.create(STAFF, a_draft(sku_text="MUG", slug_text="mug"))
    assert made.id != old.id
    assert skus(shop) == ["MUG", "MUG"]


async def test_many_rows_are_added_in_their_order(shop: Shop, stocking: Stocking) -> None:
    rows = [a_draft(sku_text=f"MUG-{number}") for number in range(5)]
    added = await stocking.create_all(STAFF, rows, skip=False)
    assert [row.sku for row in added if isinstance(row, Product)] == [row.sku for row in rows]
    assert shop.events == ["product.created"] * 5


async def test_rows_of_one_name_get_different_slugs(stocking: Stocking) -> None:
    rows = [a_draft(sku_text=f"MUG-{number}", name="Mug") for number in range(3)]
    added = await stocking.create_all(STAFF, rows, skip=False)
    slugs = [row.slug for row in added if isinstance(row, Product)]
    assert slugs == ["mug", "mug-mug-1", "mug-mug-2"]


async def test_one_bad_row_refuses_all_of_them(shop: Shop, stocking: Stocking) -> None:
    rows = [a_draft(), a_draft(sku_text="MUG"), a_draft(sku_text="MUG"), a_draft()]
    with pytest.raises(RowRefused) as refused:
        await stocking.create_all(STAFF, rows, skip=False)
    assert refused.value.index == 2
    assert isinstance(refused.value.cause, SkuTaken)
    assert refused.value.details == {"index": 2}
    assert shop.count(Product) == 0
    assert shop.events == []


async def test_a_row_that_was_refused_before_refuses_all_as_well(
    shop: Shop, stocking: Stocking
) -> None:
    bad = InvalidValue("sku", "is missing")
    with pytest.raises(RowRefused) as refused:
        await stocking.create_all(STAFF, [a_draft(), bad], skip=False)
    assert (refused.value.index, refused.value.cause) == (1, bad)
    assert shop.count(Product) == 0


async def test_bad_rows_are_skipped_and_the_good_ones_stay(shop: Shop, stocking: Stocking) -> None:
    await shop.keep(a_product(sku_text="OLD", slug_text="old"))
    bad = InvalidValue("sku", "is missing")
    drafts: list[Draft | DomainError] = [
        a_draft(sku_text="MUG-1"),
        bad,
        a_draft(sku_text="OLD"),
        a_draft(slug_text="old"),
        a_draft(category=a_category()),
        a_draft(stock=-1),
        a_draft(name="\x00"),
        a_draft(sku_text="MUG-1"),
        a_draft(sku_text="MUG-2"),
    ]
    results = await stocking.create_all(STAFF, drafts, skip=True)
    assert [type(row) for row in results] == [
        Product,
        InvalidValue,
        SkuTaken,
        ProductSlugTaken,
        CategoryNotFound,
        InvalidValue,
        InvalidValue,
        SkuTaken,
        Product,
    ]
    assert results[1] is bad
    assert skus(shop) == ["MUG-1", "MUG-2", "OLD"]
    assert shop.events == ["product.created", "product.created"]


async def test_a_revision_changes_what_is_named(shop: Shop, revision: Revision) -> None:
    mugs, mug = a_category(name="Mugs"), a_product(name="Mug", stock=7)
    await shop.keep(mugs, mug)
    revised = await revision.revise(
        STAFF, id_of(mug), {"price": gbp("12"), "category_id": CategoryId(mugs.id)}
    )
    assert (revised.name, revised.price, revised.stock) == ("Mug", gbp("12.00"), 7)
    assert revised.category is not None
    assert (revised.category.name, revised.version) == ("Mugs", 2)
    assert await shop.products.find(id_of(mug)) == revised
    assert shop.events == ["product.changed"]


async def test_a_product_leaves_its_category(shop: Shop, revision: Revision) -> None:
    mugs = a_category()
    mug = a_product(category=mugs)
    await shop.keep(mugs, mug)
    revised = await revision.revise(STAFF, id_of(mug), {"category_id": None})
    assert (revised.category_id, revised.category) == (None, None)


async def test_a_patch_that_changes_nothing_makes_no_new_version(
    shop: Shop, revision: Revision
) -> None:
    mug = a_product(name="Mug", metadata={"colour": "red"})
    await shop.keep(mug)
    revised = await revision.revise(
        STAFF, id_of(mug), {"name": "Mug", "metadata": {"colour": "red"}}
    )
    assert (revised.version, revised.updated_at) == (1, NOON)
    assert shop.events == []


@pytest.mark.parametrize(
    ("patch", "left"),
    [
        ({"name": "Cup"}, {"colour": "red", "size": "L"}),
        ({"metadata": {}}, {"colour": "red", "size": "L"}),
        ({"metadata": {"colour": "blue"}}, {"colour": "blue", "size": "L"}),
        ({"metadata": {"shape": "round"}}, {"colour": "red", "size": "L", "shape": "round"}),
        ({"metadata": {"colour": None}}, {"size": "L"}),
        ({"metadata": {"colour": None, "size": None, "none": None}}, {}),
        ({"metadata": None}, {}),
    ],
)
async def test_metadata_is_merged_pair_by_pair(
    shop: Shop, revision: Revision, patch: ProductPatch, left: dict[str, str]
) -> None:
    mug = a_product(metadata={"colour": "red", "size": "L"})
    await shop.keep(mug)
    assert (await revision.revise(STAFF, id_of(mug), patch)).metadata == left


async def test_a_revision_does_not_take_the_names_of_others(shop: Shop, revision: Revision) -> None:
    mug, cup = a_product(sku_text="MUG", slug_text="mug"), a_product(sku_text="CUP")
    await shop.keep(mug, cup)
    with pytest.raises(SkuTaken):
        await revision.revise(STAFF, id_of(cup), {"sku": sku("mug")})
    with pytest.raises(ProductSlugTaken):
        await revision.revise(STAFF, id_of(cup), {"slug": Slug("mug")})
    assert shop.now(cup).version == 1


async def test_two_products_swap_their_skus_in_three_steps(shop: Shop, revision: Revision) -> None:
    mug, cup = a_product(sku_text="MUG"), a_product(sku_text="CUP")
    await shop.keep(mug, cup)
    await revision.revise(STAFF, id_of(mug), {"sku": sku("FREE")})
    await revision.revise(STAFF, id_of(cup), {"sku": sku("MUG")})
    await revision.revise(STAFF, id_of(mug), {"sku": sku("CUP")})
    assert (shop.now(mug).sku, shop.now(cup).sku) == ("CUP", "MUG")


async def test_a_product_moves_into_no_category_that_is_not_there(
    shop: Shop, revision: Revision
) -> None:
    mug = a_product()
    await shop.keep(mug)
    with pytest.raises(CategoryNotFound):
        await revision.revise(STAFF, id_of(mug), {"category_id": CategoryId(a_category().id)})
    assert shop.now(mug).category_id is None


async def test_a_new_version_is_not_overwritten_by_somebody_who_saw_an_older_one(
    shop: Shop, revision: Revision
) -> None:
    mug = a_product()
    await shop.keep(mug)
    await revision.revise(STAFF, id_of(mug), {"name": "Cup"}, expected={1})
    with pytest.raises(StaleVersion) as stale:
        await revision.revise(STAFF, id_of(mug), {"name": "Pot"}, expected={1})
    assert stale.value.details == {"version": 2}
    with pytest.raises(StaleVersion):
        await revision.delete(STAFF, id_of(mug), expected={1})
    assert shop.now(mug).name == "Cup"
    await revision.delete(STAFF, id_of(mug), expected={1, 2})


async def test_a_deleted_product_is_on_file_but_not_to_be_changed(
    shop: Shop, revision: Revision
) -> None:
    mug = a_product()
    await shop.keep(mug)
    await revision.delete(STAFF, id_of(mug))
    assert shop.now(mug).deleted_at == NOON
    assert shop.events == ["product.deleted"]
    with pytest.raises(ProductNotFound):
        await revision.delete(STAFF, id_of(mug))
    with pytest.raises(ProductNotFound):
        await revision.revise(STAFF, id_of(mug), {"name": "Cup"})


async def test_customers_do_not_fill_the_catalog(
    shop: Shop, stocking: Stocking, revision: Revision
) -> None:
    mug = a_product()
    await shop.keep(mug)
    customer = an_actor(Role.CUSTOMER)
    attempts = [
        stocking.create(customer, a_draft()),
        stocking.create_all(customer, [a_draft()], skip=True),
        revision.revise(customer, id_of(mug), {"name": "Cup"}),
        revision.delete(customer, id_of(mug)),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden, match="you may not manage the catalog"):
            await attempt
    assert shop.count(Product) == 1
    assert shop.now(mug).version == 1


def test_a_draft_without_a_slug_suggests_one() -> None:
    draft = a_draft(sku_text="MUG-1", name="Blue Mug")
    assert draft.suggested_slugs == ("blue-mug", "blue-mug-mug-1")
    assert replace(draft, name="!!!").suggested_slugs == ("mug-1", "mug-1-mug-1")


async def test_a_draft_that_says_no_more_is_on_sale_but_not_in_stock(stocking: Stocking) -> None:
    made = await stocking.create(STAFF, Draft(sku=sku("MUG"), name="Mug", price=gbp("9.99")))
    assert (made.stock, made.is_active, made.description, made.metadata) == (0, True, "", {})
