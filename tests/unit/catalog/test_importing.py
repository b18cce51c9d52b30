"""Taking over a catalog: each row is a product by its sku."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import pytest

from application.catalog import loading
from application.catalog.exchange import ProductRow, ProductValues, RefusedRow
from application.catalog.importing import Importing, Row
from application.catalog.loading import MOST_REPORTED, Outcome
from application.shared.errors import RowRefused
from domain.catalog.category import Category
from domain.catalog.product import LARGEST_STOCK, Product, ProductSlugTaken, sku
from domain.catalog.stock import Cause
from domain.catalog.tag import TAG_NAME_LENGTH, Tag
from domain.identity.user import Role
from domain.shared.errors import DomainError, Forbidden, InvalidValue
from domain.shared.text import SLUG_LENGTH
from tests.builders import a_category, a_product, a_tag, an_actor, at_noon, gbp, usd
from tests.unit.shop import Shop

STAFF = an_actor(Role.STAFF)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many rows are in hand at a time."""
    monkeypatch.setattr(loading, "BATCH", 2)
    return 2


def a_row(number: int, sku_text: str, **values: Any) -> ProductRow:
    """A row that is good, and says no more than it must."""
    least = {"name": sku_text.title(), "price": gbp("7.99")}
    return ProductRow(number, sku(sku_text), cast(ProductValues, {**least, **values}))


def rows_of(*skus: str, **values: Any) -> list[Row]:
    """Such rows, numbered from 1."""
    return [a_row(number, sku_text, **values) for number, sku_text in enumerate(skus, start=1)]


def a_bad_row(number: int) -> RefusedRow:
    return RefusedRow(number, InvalidValue("name", "is blank"))


async def load(
    shop: Shop, rows: Iterable[Row], *, skip: bool = False, tell: Any = loading.nobody
) -> Outcome:
    return await Importing(shop.begin, at_noon).load(STAFF, rows, skip=skip, tell=tell)


def counts(outcome: Outcome) -> tuple[int, int, int, int]:
    return outcome.created, outcome.updated, outcome.unchanged, outcome.refused


def stored(shop: Shop, sku_text: str) -> Product:
    """The product of this sku that is not deleted."""
    [found] = [
        one for one in shop.database.all(Product) if one.sku == sku_text and not one.deleted_at
    ]
    return found


def paths(shop: Shop) -> set[str]:
    def path(category: Category) -> str:
        above = shop.database.get(Category, category.parent_id)
        return f"{path(above)} > {category.name}" if above else category.name

    return set(map(path, shop.database.all(Category)))


def shelf(shop: Shop, product: Product) -> str:
    category = shop.database.get(Category, product.category_id)
    assert category is not None
    return category.slug


async def test_a_row_with_a_new_sku_makes_a_product(shop: Shop) -> None:
    values = ProductValues(
        name="Mug",
        price=usd("7.99"),
        slug=a_tag(slug_text="the-mug").slug,
        description="To drink from",
        stock=5,
        category=("Kitchen",),
        tags=(a_tag(slug_text="tea").slug,),
        is_active=False,
        metadata={"colour": "red"},
    )
    outcome = await load(shop, [ProductRow(1, sku("mug"), values)])

    assert counts(outcome) == (1, 0, 0, 0)
    mug = stored(shop, "MUG")
    assert (mug.name, mug.price, mug.slug, mug.stock) == ("Mug", usd("7.99"), "the-mug", 5)
    assert (mug.description, mug.tags) == ("To drink from", ("tea",))
    assert (mug.is_active, mug.metadata) == (False, {"colour": "red"})
    assert shelf(shop, mug) == "kitchen"


async def test_what_a_row_leaves_out_of_a_new_product_is_as_it_is_by_default(shop: Shop) -> None:
    await load(shop, [a_row(1, "MUG", name="Big mug")])
    mug = stored(shop, "MUG")
    assert (mug.slug, mug.description, mug.stock, mug.is_active) == ("big-mug", "", 0, True)
    assert (mug.category_id, mug.tags, mug.metadata) == (None, (), {})
    assert shop.database.movements == []


async def test_a_row_with_a_known_sku_changes_what_it_says_and_nothing_else(shop: Shop) -> None:
    kitchen, tea = a_category(), a_tag()
    mug = a_product(
        sku_text="MUG",
        slug_text="mug",
        description="Blue",
        stock=3,
        is_active=False,
        category=kitchen,
        tags=[tea],
        metadata={"colour": "blue"},
    )
    await shop.keep(kitchen, tea, mug)

    outcome = await load(shop, [a_row(1, "MUG", name="Big mug")])

    assert counts(outcome) == (0, 1, 0, 0)
    changed = shop.now(mug)
    assert (changed.name, changed.price, changed.version) == ("Big mug", gbp("7.99"), 2)
    for kept in ("slug", "description", "stock", "is_active", "category_id", "tags", "metadata"):
        assert getattr(changed, kept) == getattr(mug, kept)
    assert shop.events == ["product.changed"]


async def test_what_a_row_says_is_empty_becomes_empty(shop: Shop) -> None:
    kitchen, tea = a_category(), a_tag()
    mug = a_product(
        sku_text="MUG",
        description="Blue",
        category=kitchen,
        tags=[tea],
        metadata={"colour": "blue"},
    )
    await shop.keep(kitchen, tea, mug)
    await load(shop, [a_row(1, "MUG", description="", category=(), tags=(), metadata={})])
    changed = shop.now(mug)
    assert (changed.description, changed.category_id) == ("", None)
    assert (changed.tags, changed.metadata) == ((), {})


async def test_what_is_imported_twice_changes_nothing_the_second_time(shop: Shop) -> None:
    rows = [
        a_row(1, "MUG", category=("Kitchen", "Cups"), tags=("tea",), stock=3, metadata={"a": "b"}),
        a_row(2, "CUP", name="Mug"),
        a_row(3, "POT", category=("Kitchen",), is_active=False, stock=0),
    ]
    assert counts(await load(shop, rows)) == (3, 0, 0, 0)
    before = {one.id: (one.version, one.updated_at) for one in shop.database.all(Product)}
    kept = [*shop.database.outbox], [*shop.database.movements]

    for skip in (False, True):
        assert counts(await load(shop, rows, skip=skip)) == (0, 0, 3, 0)

    after = {one.id: (one.version, one.updated_at) for one in shop.database.all(Product)}
    assert after == before
    assert (shop.database.outbox, shop.database.movements) == kept
    assert (shop.count(Category), shop.count(Tag)) == (2, 1)


async def test_another_stock_is_a_movement_that_the_import_made(shop: Shop) -> None:
    mug = a_product(sku_text="MUG", name="Mug", price=gbp("7.99"), stock=5)
    await shop.keep(mug)
    outcome = await load(shop, [a_row(1, "MUG", stock=3), a_row(2, "CUP", stock=4)])

    assert counts(outcome) == (1, 1, 0, 0)
    moved = {one.product_id: one for one in shop.database.movements}
    assert {(one.change, one.stock_after) for one in moved.values()} == {(-2, 3), (4, 4)}
    for movement in moved.values():
        assert movement.because.cause is Cause.IMPORT
        assert movement.because.actor_id == STAFF.id
    assert sorted(shop.events) == ["product.created", "product.stock_adjusted"]
    assert shop.now(mug).stock == 3


async def test_stock_goes_from_none_to_the_most_there_can_be(shop: Shop) -> None:
    mug = a_product(sku_text="MUG", stock=0)
    await shop.keep(mug)
    for stock in (LARGEST_STOCK, 0):
        await load(shop, [a_row(1, "MUG", stock=stock)])
        assert shop.now(mug).stock == stock
    assert [one.change for one in shop.database.movements] == [LARGEST_STOCK, -LARGEST_STOCK]


async def test_a_deleted_product_is_not_brought_back_but_made_anew(shop: Shop) -> None:
    old = a_product(sku_text="MUG", slug_text="mug")
    old.delete(at=at_noon())
    await shop.keep(old)
    assert counts(await load(shop, [a_row(1, "MUG")])) == (1, 0, 0, 0)
    assert stored(shop, "MUG").id != old.id
    assert shop.now(old).deleted_at is not None


async def test_categories_are_made_with_those_above_them(shop: Shop) -> None:
    rows = [
        a_row(1, "MUG", category=("Kitchen", "Cups", "Big")),
        a_row(2, "CUP", category=("Kitchen", "Cups")),
        a_row(3, "POT", category=("Garden",)),
    ]
    await load(shop, rows)
    assert paths(shop) == {"Kitchen", "Kitchen > Cups", "Kitchen > Cups > Big", "Garden"}
    slugs = [shelf(shop, stored(shop, one)) for one in ("MUG", "CUP", "POT")]
    assert slugs == ["big", "cups", "garden"]


async def test_a_category_that_is_there_is_used(shop: Shop) -> None:
    kitchen = a_category(name="Kitchen", slug_text="in-the-kitchen")
    cups = a_category(name="Cups", slug_text="all-cups", below=kitchen)
    await shop.keep(kitchen, cups)
    await load(shop, [a_row(1, "MUG", category=("Kitchen", "Cups"))])
    assert stored(shop, "MUG").category_id == cups.id
    assert shop.count(Category) == 2
    assert shop.events == ["product.created"]


async def test_names_are_the_same_only_on_the_same_path(shop: Shop) -> None:
    await load(
        shop,
        [
            a_row(1, "MUG", category=("Kitchen", "Accessories")),
            a_row(2, "TENT", category=("Garden", "Accessories")),
            a_row(3, "CASE", category=("Accessories",)),
            a_row(4, "BAG", category=("Kitchen", "accessories")),
        ],
    )
    slugs = {one: shelf(shop, stored(shop, one)) for one in ("MUG", "TENT", "CASE")}
    assert slugs["MUG"] == "accessories"
    assert slugs["TENT"] == "garden-accessories"
    assert slugs["CASE"].startswith("accessories-")
    assert "Kitchen > accessories" in paths(shop)


async def test_many_new_categories_of_one_file_never_share_a_slug(shop: Shop) -> None:
    await shop.keep(a_category(name="Old", slug_text="mugs-1"))
    rows = [
        a_row(number, f"MUG-{number}", category=(f"Room {number % 3}", f"Mugs {number % 4}"))
        for number in range(2, 26)
    ]
    await load(shop, rows)
    slugs = [category.slug for category in shop.database.all(Category)]
    assert len(slugs) == len({*slugs}) == 1 + 3 + 12
    assert {"mugs-0", "room-1-mugs-1", "room-2"} <= {*slugs}


async def test_a_category_whose_name_suggests_no_slug_gets_one(shop: Shop) -> None:
    await load(shop, [a_row(1, "MUG", category=("厨房",)), a_row(2, "CUP", category=("花园",))])
    slugs = {category.slug for category in shop.database.all(Category)}
    assert len(slugs) == 2
    assert all(slug.startswith("category-") for slug in slugs)


async def test_tags_are_made_where_they_are_missing(shop: Shop) -> None:
    tea, long = a_tag(name="Tea time", slug_text="tea"), "a" * SLUG_LENGTH
    await shop.keep(tea)
    await load(shop, [a_row(1, "MUG", tags=("tea", "new")), a_row(2, "CUP", tags=("new", long))])
    names = {tag.slug: tag.name for tag in shop.database.all(Tag)}
    assert names == {"tea": "Tea time", "new": "new", long: "a" * TAG_NAME_LENGTH}
    assert stored(shop, "MUG").tags == ("new", "tea")


async def test_a_known_product_gets_a_category_and_tags_that_are_new(shop: Shop) -> None:
    mug = a_product(sku_text="MUG")
    await shop.keep(mug)
    await load(shop, [a_row(1, "MUG", category=("Kitchen", "Cups"), tags=("tea",))])
    assert shelf(shop, shop.now(mug)) == "cups"
    assert shop.now(mug).tags == ("tea",)


async def test_products_of_one_name_get_slugs_of_their_own(shop: Shop) -> None:
    await shop.keep(a_product(slug_text="mug"))
    await load(shop, rows_of("A", "B", name="Mug"))
    assert {stored(shop, one).slug for one in "AB"} == {"mug-a", "mug-b"}


@pytest.mark.parametrize("sku_text", ["MUG", "CUP"])
async def test_a_slug_that_another_product_has_is_refused(shop: Shop, sku_text: str) -> None:
    await shop.keep(a_product(slug_text="taken"), a_product(sku_text="CUP", slug_text="cup"))
    with pytest.raises(RowRefused) as refused:
        await load(shop, [a_row(2, "POT"), a_row(3, sku_text, slug="taken")])
    assert refused.value.index == 3
    assert isinstance(refused.value.cause, ProductSlugTaken)
    assert shop.count(Product) == 2


async def test_a_slug_that_an_earlier_row_has_taken_is_refused(shop: Shop) -> None:
    cup = a_product(sku_text="CUP", slug_text="cup")
    await shop.keep(cup)
    rows: list[Row] = [
        a_row(1, "MUG", slug="mine"),
        a_row(2, "POT", slug="mine"),
        a_row(3, "CUP", slug="hers"),
        a_row(4, "PAN", slug="hers"),
        a_row(5, "LID", name="Lid"),
        a_row(6, "TOP", slug="lid"),
    ]
    outcome = await load(shop, rows, skip=True)
    assert counts(outcome) == (2, 1, 0, 3)
    assert [row.number for row in outcome.refusals] == [2, 4, 6]
    assert shop.now(cup).slug == "hers"


@pytest.mark.parametrize("batch", [1, 5_000])
async def test_a_product_may_take_the_slug_that_an_earlier_row_gave_up(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(loading, "BATCH", batch)
    mug, cup = a_product(sku_text="MUG", slug_text="mug"), a_product(sku_text="CUP")
    await shop.keep(mug, cup)
    rows: list[Row] = [
        a_row(1, "CUP", slug="mug"),
        a_row(2, "MUG", slug="old"),
        a_row(3, "CUP", slug="mug"),
        a_row(4, "POT", slug=cup.slug),
    ]
    outcome = await load(shop, rows, skip=True)
    assert [row.number for row in outcome.refusals] == [1]
    assert [shop.now(one).slug for one in (mug, cup)] == ["old", "mug"]
    assert stored(shop, "POT").slug == cup.slug


async def test_a_third_product_of_one_name_gets_a_slug_of_its_own_as_well(shop: Shop) -> None:
    await shop.keep(a_product(slug_text="mug"), a_product(slug_text="mug-a"))
    await load(shop, rows_of("A", "B", name="Mug"))
    assert stored(shop, "A").slug.startswith("mug-")
    assert stored(shop, "A").slug != "mug-a"
    assert stored(shop, "B").slug == "mug-b"


async def test_its_own_slug_is_no_slug_that_is_taken(shop: Shop) -> None:
    mug = a_product(sku_text="MUG", slug_text="mug", name="Mug", price=gbp("7.99"))
    await shop.keep(mug)
    assert counts(await load(shop, [a_row(1, "MUG", slug="mug")])) == (0, 0, 1, 0)
    assert counts(await load(shop, [a_row(1, "MUG", slug="cup")])) == (0, 1, 0, 0)
    assert shop.now(mug).slug == "cup"


async def test_nothing_is_kept_if_a_row_is_refused(shop: Shop, small_batches: int) -> None:
    mug = a_product(sku_text="MUG", stock=5)
    await shop.keep(mug)
    rows: list[Row] = [
        a_row(1, "MUG", stock=3, category=("Kitchen",)),
        *(a_row(number, f"CUP-{number}", tags=("tea",)) for number in range(2, 2 + small_batches)),
        a_row(8, "POT", stock=1),
        a_bad_row(9),
    ]
    with pytest.raises(RowRefused, match="row 9: name is blank"):
        await load(shop, rows)

    assert [one.sku for one in shop.database.all(Product)] == ["MUG"]
    assert (shop.stock(mug), shop.now(mug).version) == ([5], 1)
    assert (shop.count(Category), shop.count(Tag)) == (0, 0)
    assert (shop.events, shop.database.movements) == ([], [])


@pytest.mark.usefixtures("small_batches")
async def test_all_good_rows_are_kept_if_bad_ones_are_skipped(shop: Shop) -> None:
    rows: list[Row] = [
        a_bad_row(1),
        a_row(2, "A"),
        a_row(3, "B"),
        a_bad_row(4),
        a_bad_row(5),
        a_row(6, "C"),
    ]
    outcome = await load(shop, rows, skip=True)
    assert counts(outcome) == (3, 0, 0, 3)
    assert [(row.number, str(row.refusal)) for row in outcome.refusals] == [
        (number, "name is blank") for number in (1, 4, 5)
    ]
    assert {one.sku for one in shop.database.all(Product)} == {"A", "B", "C"}


async def test_who_asks_is_told_of_each_row_that_is_skipped(shop: Shop, small_batches: int) -> None:
    told: list[int] = []
    rows: list[Row] = [a_row(1, "A"), a_bad_row(2), a_bad_row(3), a_row(4, "B"), a_bad_row(5)]
    await load(shop, rows, skip=True, tell=lambda row: told.append(row.number))
    assert told == [2, 3, 5]
    assert len(rows) > 2 * small_batches


async def test_only_so_many_refusals_are_kept_but_all_are_counted_and_told(shop: Shop) -> None:
    told: list[RefusedRow] = []
    bad = [a_bad_row(number) for number in range(MOST_REPORTED + 5)]
    outcome = await load(shop, [*bad, a_row(0, "A")], skip=True, tell=told.append)
    assert counts(outcome) == (1, 0, 0, MOST_REPORTED + 5)
    assert outcome.refusals == bad[:MOST_REPORTED]
    assert told == bad


@pytest.mark.usefixtures("small_batches")
async def test_a_product_made_in_one_batch_is_known_to_those_after_it(shop: Shop) -> None:
    rows: list[Row] = [
        a_row(1, "A", name="Mug", category=("Kitchen", "Cups"), tags=("tea",)),
        a_row(2, "B", name="Mug"),
        a_row(3, "C", name="Mug", category=("Kitchen", "Cups"), tags=("tea",)),
        a_row(4, "D", slug="mug"),
        a_row(5, "E", category=("Kitchen",)),
    ]
    outcome = await load(shop, rows, skip=True)
    assert counts(outcome) == (4, 0, 0, 1)
    assert [row.number for row in outcome.refusals] == [4]
    assert [stored(shop, one).slug for one in "ABC"] == ["mug", "mug-b", "mug-c"]
    assert (shop.count(Category), shop.count(Tag)) == (2, 1)


async def test_a_file_without_rows_changes_nothing(shop: Shop) -> None:
    for skip in (False, True):
        assert counts(await load(shop, [], skip=skip)) == (0, 0, 0, 0)
    assert shop.events == []


@pytest.mark.parametrize("skip", [False, True])
async def test_an_unreadable_file_leaves_what_skip_had_kept(
    shop: Shop, skip: bool, small_batches: int
) -> None:
    class Unreadable(Exception):
        pass

    def rows() -> Iterator[Row]:
        yield from rows_of("A", "B", "C")
        raise Unreadable

    with pytest.raises(Unreadable):
        await load(shop, rows(), skip=skip)
    assert shop.count(Product) == (small_batches if skip else 0)


async def test_only_staff_import(shop: Shop) -> None:
    for skip in (False, True):
        with pytest.raises(Forbidden):
            await Importing(shop.begin, at_noon).load(an_actor(), rows_of("A"), skip=skip)
    assert shop.count(Product) == 0


async def test_a_refusal_says_what_it_is_about(shop: Shop) -> None:
    await shop.keep(a_product(slug_text="taken"))
    outcome = await load(shop, [a_row(7, "MUG", slug="taken")], skip=True)
    [refused] = outcome.refusals
    refusal: DomainError = refused.refusal
    assert (refused.number, refusal.code, refusal.details["field"]) == (7, "duplicate", "slug")
