"""Whole products put in place of others, many revised at once, and deleted ones brought back."""

from dataclasses import replace
from uuid import uuid4

import pytest

from application.catalog.drafts import ProductPatch
from application.catalog.queries import CategoryName
from application.catalog.revision import PatchOfOne, Revision
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
from tests.builders import NOON, Ticking, a_category, a_draft, a_product, a_tag, an_actor, gbp
from tests.unit.shop import Shop

STAFF = an_actor(Role.STAFF)
CUSTOMER = an_actor(Role.CUSTOMER)


@pytest.fixture
def revision(shop: Shop) -> Revision:
    return Revision(shop.begin, Ticking())


def id_of(product: Product) -> ProductId:
    return ProductId(product.id)


def a_deleted_product(*, sku_text: str = "MUG", slug_text: str = "mug", stock: int = 5) -> Product:
    product = a_product(sku_text=sku_text, slug_text=slug_text, stock=stock)
    product.delete(at=NOON)
    return product


async def test_everything_is_replaced_but_the_stock_and_the_slug(
    shop: Shop, revision: Revision
) -> None:
    cups, mugs, tea = a_category(), a_category(name="Mugs", slug_text="mugs"), a_tag()
    old = a_product(
        slug_text="old",
        description="Old",
        stock=7,
        category=cups,
        tags=[tea],
        is_active=False,
        metadata={"colour": "red", "size": "L"},
    )
    await shop.keep(cups, mugs, tea, old)
    draft = replace(
        a_draft(sku_text="NEW", name="New", price=gbp("2"), stock=99, category=mugs),
        metadata={"size": "XL"},
    )
    new = await revision.replace(STAFF, id_of(old), draft)
    assert (new.sku, new.name, new.price, new.description) == ("NEW", "New", gbp("2"), "")
    assert (new.tags, new.is_active, new.metadata) == ((), True, {"size": "XL"})
    assert new.category == CategoryName(mugs.id, "Mugs", "mugs")
    assert (new.stock, new.slug, new.created_at, new.version) == (7, "old", NOON, 2)
    assert new == await shop.products.find(id_of(old))
    assert shop.events == ["product.changed"]
    assert shop.database.movements == []


async def test_a_replacement_without_metadata_and_category_has_none(
    shop: Shop, revision: Revision
) -> None:
    mugs = a_category()
    old = a_product(category=mugs, metadata={"colour": "red"})
    await shop.keep(mugs, old)
    new = await revision.replace(STAFF, id_of(old), a_draft(slug_text="new"))
    assert (new.metadata, new.category_id, new.category, new.slug) == ({}, None, None, "new")


async def test_a_product_replaced_by_what_it_is_stays_as_it_is(
    shop: Shop, revision: Revision
) -> None:
    old = a_product(sku_text="MUG", name="Mug")
    await shop.keep(old)
    same = a_draft(sku_text="mug", name="Mug", stock=1)
    assert (await revision.replace(STAFF, id_of(old), same)).version == 1
    assert shop.events == []


async def test_a_replacement_that_is_refused_leaves_the_product_whole(
    shop: Shop, revision: Revision
) -> None:
    mug, cup = a_product(sku_text="MUG", slug_text="mug", name="Mug"), a_product(sku_text="CUP")
    deleted = a_deleted_product(sku_text="OLD", slug_text="old")
    await shop.keep(mug, cup, deleted)
    for draft, refusal in (
        (a_draft(sku_text="CUP"), SkuTaken),
        (a_draft(slug_text=cup.slug), ProductSlugTaken),
        (a_draft(category=a_category()), CategoryNotFound),
        (a_draft(name=" "), InvalidValue),
    ):
        with pytest.raises(refusal):
            await revision.replace(STAFF, id_of(mug), draft)
    with pytest.raises(StaleVersion):
        await revision.replace(STAFF, id_of(mug), a_draft(), expected={2})
    for nowhere in (deleted, a_product()):
        with pytest.raises(ProductNotFound):
            await revision.replace(STAFF, id_of(nowhere), a_draft())
    assert (shop.now(mug).name, shop.now(mug).version) == ("Mug", 1)
    # What is free again is taken.
    await revision.replace(STAFF, id_of(mug), a_draft(sku_text="OLD", slug_text="old"))


async def test_each_of_many_patches_is_applied_in_its_place(shop: Shop, revision: Revision) -> None:
    mugs, mug, cup = a_category(), a_product(name="Mug"), a_product(name="Cup")
    await shop.keep(mugs, mug, cup)
    patches: list[PatchOfOne | DomainError] = [
        (id_of(cup), {"name": "Big cup"}),
        (id_of(mug), {"price": gbp("3"), "category_id": CategoryId(mugs.id)}),
    ]
    revised = await revision.revise_all(STAFF, patches, skip=False)
    assert [one.id for one in revised if isinstance(one, Product)] == [cup.id, mug.id]
    assert (shop.now(cup).name, shop.now(mug).price) == ("Big cup", gbp("3"))
    assert shop.now(mug).category_id == mugs.id
    assert shop.events == ["product.changed"] * 2


async def test_patches_of_one_product_follow_each_other(shop: Shop, revision: Revision) -> None:
    mug = a_product(name="Mug", metadata={"colour": "red"})
    await shop.keep(mug)
    patches: list[PatchOfOne | DomainError] = [
        (id_of(mug), {"name": "Cup", "metadata": {"size": "L"}}),
        (id_of(mug), {"name": " "}),
        (id_of(mug), {"price": gbp("3"), "metadata": {"colour": None}}),
    ]
    results = await revision.revise_all(STAFF, patches, skip=True)
    assert [type(row) for row in results] == [Product, InvalidValue, Product]
    now = shop.now(mug)
    assert (now.name, now.price, now.metadata) == ("Cup", gbp("3"), {"size": "L"})
    assert now.version == 3


async def a_mixed_bag(shop: Shop) -> tuple[Product, Product, list[PatchOfOne | DomainError]]:
    """Two products that are there, and patches of which the first and the last one are good."""
    mug, cup = a_product(sku_text="MUG", slug_text="mug"), a_product(sku_text="CUP")
    deleted = a_deleted_product(sku_text="OLD", slug_text="old")
    await shop.keep(mug, cup, deleted)
    return (
        mug,
        cup,
        [
            (id_of(mug), {"name": "First"}),
            InvalidValue("id", "is missing"),
            (ProductId(uuid4()), {"name": "Nobody"}),
            (id_of(deleted), {"name": "Gone"}),
            (id_of(cup), {"sku": sku("MUG")}),
            (id_of(cup), {"slug": Slug("mug")}),
            (id_of(cup), {"category_id": CategoryId(uuid4())}),
            (id_of(cup), {"tags": [Slug("none")]}),
            (id_of(cup), {"name": "Last"}),
        ],
    )


async def test_bad_patches_are_skipped_and_the_good_ones_stay(
    shop: Shop, revision: Revision
) -> None:
    mug, cup, patches = await a_mixed_bag(shop)
    results = await revision.revise_all(STAFF, patches, skip=True)
    assert [getattr(row, "code", "revised") for row in results] == [
        "revised",
        "invalid-value",
        "product-not-found",
        "product-not-found",
        "duplicate",
        "duplicate",
        "category-not-found",
        "tag-not-found",
        "revised",
    ]
    assert (shop.now(mug).name, shop.now(cup).name, shop.now(cup).sku) == ("First", "Last", "CUP")
    assert [shop.now(one).version for one in (mug, cup)] == [2, 2]
    assert shop.events == ["product.changed"] * 2


async def test_one_bad_patch_refuses_all_of_them(shop: Shop, revision: Revision) -> None:
    mug, cup, patches = await a_mixed_bag(shop)
    for index in range(1, len(patches) - 1):
        with pytest.raises(RowRefused) as refused:
            await revision.revise_all(STAFF, [patches[0], patches[-1], patches[index]], skip=False)
        assert refused.value.index == 2
    assert [shop.now(one).version for one in (mug, cup)] == [1, 1]
    assert shop.events == []


async def test_a_sku_given_up_in_one_row_is_free_in_the_next(
    shop: Shop, revision: Revision
) -> None:
    mug, cup = a_product(sku_text="MUG"), a_product(sku_text="CUP")
    await shop.keep(mug, cup)
    patches: list[PatchOfOne | DomainError] = [
        (id_of(mug), {"sku": sku("NEW")}),
        (id_of(cup), {"sku": sku("MUG")}),
    ]
    await revision.revise_all(STAFF, patches, skip=False)
    assert (shop.now(mug).sku, shop.now(cup).sku) == ("NEW", "MUG")
    with pytest.raises(RowRefused):
        await revision.revise_all(
            STAFF,
            [(id_of(mug), {"sku": sku("MUG")}), (id_of(cup), {"sku": sku("NEW")})],
            skip=False,
        )


async def test_no_patches_change_nothing(shop: Shop, revision: Revision) -> None:
    assert await revision.revise_all(STAFF, [], skip=False) == []
    assert shop.events == []


async def test_a_deleted_product_comes_back_as_it_was(shop: Shop, revision: Revision) -> None:
    mugs, tea = a_category(name="Mugs"), a_tag()
    mug = a_product(name="Mug", stock=5, category=mugs, tags=[tea])
    await shop.keep(mugs, tea, mug)
    await revision.delete(STAFF, id_of(mug))
    back = await revision.restore(STAFF, id_of(mug))
    assert (back.name, back.stock, back.deleted_at, back.version) == ("Mug", 5, None, 3)
    assert (back.tags, back.category and back.category.name) == ((tea.slug,), "Mugs")
    assert back.updated_at > NOON
    assert back == await shop.products.find(id_of(mug))
    assert shop.events == ["product.deleted", "product.restored"]
    assert shop.database.movements == []


async def test_what_was_not_deleted_stays_as_it_is(shop: Shop, revision: Revision) -> None:
    mug = a_product(is_active=False)
    await shop.keep(mug)
    assert (await revision.restore(STAFF, id_of(mug))).version == 1
    assert shop.events == []


@pytest.mark.parametrize(
    ("heir", "refusal", "field"),
    [
        (("MUG", "other"), SkuTaken, "sku"),
        (("OTHER", "mug"), ProductSlugTaken, "slug"),
    ],
)
async def test_what_lost_its_names_to_another_does_not_come_back(
    shop: Shop,
    revision: Revision,
    heir: tuple[str, str],
    refusal: type[DomainError],
    field: str,
) -> None:
    mugs = a_category()
    for category in (None, mugs):
        lost = a_product(sku_text="MUG", slug_text="mug", category=category)
        await shop.keep(*([mugs] if category else []), lost)
        await revision.delete(STAFF, id_of(lost))
        new = a_product(sku_text=heir[0], slug_text=heir[1])
        await shop.keep(new)
        with pytest.raises(refusal) as taken:
            await revision.restore(STAFF, id_of(lost))
        assert taken.value.details == {"field": field}
        assert shop.now(lost).deleted_at is not None
        await revision.delete(STAFF, id_of(new))
        assert (await revision.restore(STAFF, id_of(lost))).deleted_at is None
        await revision.delete(STAFF, id_of(lost))


async def test_only_what_is_known_comes_back_and_in_the_version_that_was_seen(
    shop: Shop, revision: Revision
) -> None:
    mug = a_deleted_product()
    await shop.keep(mug)
    with pytest.raises(ProductNotFound):
        await revision.restore(STAFF, id_of(a_product()))
    with pytest.raises(StaleVersion):
        await revision.restore(STAFF, id_of(mug), expected={2})
    assert shop.now(mug).deleted_at == NOON
    await revision.restore(STAFF, id_of(mug), expected={1})


async def test_customers_revise_nothing(shop: Shop, revision: Revision) -> None:
    mug, deleted = a_product(name="Mug"), a_deleted_product()
    await shop.keep(mug, deleted)
    patch: ProductPatch = {"name": "Cup"}
    for attempt in (
        revision.replace(CUSTOMER, id_of(mug), a_draft()),
        revision.revise_all(CUSTOMER, [(id_of(mug), patch)], skip=True),
        revision.restore(CUSTOMER, id_of(deleted)),
    ):
        with pytest.raises(Forbidden, match="you may not manage the catalog"):
            await attempt
    assert [shop.now(one).version for one in (mug, deleted)] == [1, 1]
