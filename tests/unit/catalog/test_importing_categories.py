"""Taking over a tree of categories, each of them known by its path."""

from collections.abc import Iterable

import pytest

from application.catalog import loading
from application.catalog.exchange import CategoryRow, RefusedRow
from application.catalog.importing_categories import ImportingCategories, Row
from application.catalog.loading import Outcome
from application.shared.errors import RowRefused
from domain.catalog.category import Category, CategorySlugTaken
from domain.identity.user import Role
from domain.shared.errors import Forbidden, InvalidValue
from domain.shared.text import slug
from tests.builders import a_category, an_actor, at_noon
from tests.unit.shop import Shop

STAFF = an_actor(Role.STAFF)


def a_row(
    number: int, path: str, slug_text: str | None = None, description: str | None = None
) -> CategoryRow:
    """The row of a path whose names are divided by a slash."""
    return CategoryRow(
        number=number,
        path=tuple(path.split("/")),
        slug=slug(slug_text) if slug_text else None,
        description=description,
    )


def a_bad_row(number: int) -> RefusedRow:
    return RefusedRow(number, InvalidValue("path", "is missing"))


async def load(shop: Shop, rows: Iterable[Row], *, skip: bool = False) -> Outcome:
    return await ImportingCategories(shop.begin, at_noon).load(STAFF, rows, skip=skip)


def counts(outcome: Outcome) -> tuple[int, int, int, int]:
    return outcome.created, outcome.updated, outcome.unchanged, outcome.refused


def slugs(shop: Shop) -> dict[str, str]:
    """The slug of each category by its path."""

    def path(category: Category) -> str:
        above = shop.database.get(Category, category.parent_id)
        return f"{path(above)}/{category.name}" if above else category.name

    return {path(category): category.slug for category in shop.database.all(Category)}


async def test_a_path_that_is_not_there_is_made_with_what_is_above_it(shop: Shop) -> None:
    outcome = await load(
        shop, [a_row(1, "A/B/C", "deep", "Down here"), a_row(2, "A/D"), a_row(3, "E")]
    )
    assert counts(outcome) == (5, 0, 0, 0)
    assert slugs(shop) == {"A": "a", "A/B": "b", "A/B/C": "deep", "A/D": "d", "E": "e"}
    assert shop.events == ["category.created"] * 5
    [deep] = [one for one in shop.database.all(Category) if one.slug == "deep"]
    assert deep.description == "Down here"


async def test_what_is_imported_twice_changes_nothing_the_second_time(shop: Shop) -> None:
    rows = [a_row(1, "A/B", "b", "Both"), a_row(2, "A"), a_row(3, "A/C")]
    # The parent of the first row was made with it, so its own row finds it there.
    assert counts(await load(shop, rows)) == (3, 0, 1, 0)
    events = [*shop.events]
    assert counts(await load(shop, rows)) == (0, 0, 3, 0)
    assert shop.events == events
    assert {category.version for category in shop.database.all(Category)} == {1}


async def test_a_category_that_is_there_is_changed_as_its_row_says(shop: Shop) -> None:
    attic = a_category(name="Attic", slug_text="attic", description="Old things")
    await shop.keep(attic)
    assert counts(await load(shop, [a_row(1, "Attic", "loft")])) == (0, 1, 0, 0)
    assert (shop.now(attic).slug, shop.now(attic).description) == ("loft", "Old things")
    assert counts(await load(shop, [a_row(1, "Attic", description="")])) == (0, 1, 0, 0)
    assert (shop.now(attic).slug, shop.now(attic).description) == ("loft", "")


async def test_a_slug_that_another_category_has_is_refused(shop: Shop) -> None:
    await shop.keep(a_category(name="Attic", slug_text="attic"))
    outcome = await load(
        shop,
        [
            a_row(1, "A", "attic"),
            a_row(2, "B", "mine"),
            a_row(3, "C", "mine"),
            a_row(4, "Attic", "mine"),
            a_row(5, "Attic", "attic"),
            a_row(6, "D/E"),
            a_row(7, "F", "d"),
        ],
        skip=True,
    )
    assert counts(outcome) == (3, 0, 1, 4)
    assert [row.number for row in outcome.refusals] == [1, 3, 4, 7]
    assert {type(row.refusal) for row in outcome.refusals} == {CategorySlugTaken}
    assert slugs(shop) == {"Attic": "attic", "B": "mine", "D": "d", "D/E": "e"}


async def test_a_category_may_take_the_slug_that_an_earlier_row_gave_up(shop: Shop) -> None:
    await shop.keep(a_category(name="A", slug_text="one"), a_category(name="B", slug_text="two"))
    outcome = await load(shop, [a_row(1, "A", "three"), a_row(2, "B", "one")])
    assert counts(outcome) == (0, 2, 0, 0)
    assert slugs(shop) == {"A": "three", "B": "one"}


async def test_a_category_made_on_the_way_gives_its_slug_up_as_any_other(shop: Shop) -> None:
    rows = [a_row(1, "A/B"), a_row(2, "A", "all"), a_row(3, "C", "a")]
    assert counts(await load(shop, rows)) == (3, 1, 0, 0)
    assert slugs(shop) == {"A": "all", "A/B": "b", "C": "a"}


async def test_one_name_in_many_places_is_many_categories(shop: Shop) -> None:
    await load(shop, [a_row(1, "A/More"), a_row(2, "B/More"), a_row(3, "C/B/More")])
    assert slugs(shop)["A/More"] == "more"
    assert slugs(shop)["B/More"] == "b-more"
    assert slugs(shop)["C/B/More"] == "c-b-more"


@pytest.mark.parametrize("batch", [1, 2, 1_000])
async def test_nothing_is_kept_if_a_row_is_refused(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(loading, "BATCH", batch)
    rows: list[Row] = [a_row(1, "A"), a_row(2, "B/C"), a_row(3, "D"), a_bad_row(4)]
    with pytest.raises(RowRefused, match="row 4: path is missing"):
        await load(shop, rows)
    assert (slugs(shop), shop.events) == ({}, [])


@pytest.mark.parametrize("batch", [1, 2, 1_000])
async def test_all_good_rows_are_kept_if_bad_ones_are_skipped(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(loading, "BATCH", batch)
    outcome = await load(
        shop, [a_row(1, "A"), a_bad_row(2), a_row(3, "B/C"), a_row(4, "B")], skip=True
    )
    assert counts(outcome) == (3, 0, 1, 1)
    assert {*slugs(shop)} == {"A", "B", "B/C"}


async def test_only_staff_import_categories(shop: Shop) -> None:
    with pytest.raises(Forbidden):
        await ImportingCategories(shop.begin, at_noon).load(an_actor(), [a_row(1, "A")], skip=True)
    assert slugs(shop) == {}
