from uuid import uuid4

import pytest

from domain.catalog.category import (
    DEEPEST,
    Category,
    CategoryCycle,
    CategoryId,
    CategoryTooDeep,
)
from domain.catalog.events import CategoryChanged, CategoryCreated, CategoryDeleted
from domain.shared.errors import InvalidValue
from domain.shared.events import Event
from domain.shared.text import Slug
from tests.builders import NOON, Ticking, a_category


def told(category: Category) -> list[Event]:
    return [recorded.event for recorded in category.release_events()]


def ancestors(count: int) -> list[CategoryId]:
    return [CategoryId(uuid4()) for _ in range(count)]


def test_a_category_without_ancestors_is_a_root() -> None:
    category = a_category(name="Mugs")
    assert category.parent_id is None
    assert told(category) == [CategoryCreated(category_id=category.id, parent_id=None, at=NOON)]


def test_a_category_lies_right_below_the_nearest_of_its_ancestors() -> None:
    above = ancestors(3)
    category = Category.create(name="Mugs", slug=Slug("mugs"), above=above, at=NOON)
    assert category.parent_id == above[0]


def test_categories_nest_16_deep_and_no_deeper() -> None:
    above = ancestors(DEEPEST)
    deepest = Category.create(name="Mugs", slug=Slug("mugs"), above=above[1:], at=NOON)
    assert deepest.parent_id == above[1]
    with pytest.raises(CategoryTooDeep, match="at most 16 deep"):
        Category.create(name="Mugs", slug=Slug("mugs"), above=above, at=NOON)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x00", "a" * 201])
def test_a_category_has_a_name_of_one_line(name: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        Category.create(name=name, slug=Slug("mugs"), at=NOON)
    assert refused.value.details["field"] == "name"
    category = a_category(name="Mugs")
    with pytest.raises(InvalidValue):
        category.revise({"name": name}, at=NOON)
    assert category.name == "Mugs"


def test_a_description_has_at_most_10000_characters() -> None:
    assert a_category(description="a" * 10_000).description == "a" * 10_000
    with pytest.raises(InvalidValue, match="description is longer than 10000"):
        a_category(description="a" * 10_001)
    category = a_category(description="Of clay")
    with pytest.raises(InvalidValue, match="description is longer than 10000"):
        category.revise({"description": "a" * 10_001}, at=NOON)
    assert category.description == "Of clay"


def test_a_revision_tells_which_fields_it_changed() -> None:
    category, clock = a_category(name="Mugs", slug_text="mugs"), Ticking()
    told(category)
    later = [clock(), clock()][1]
    category.revise({"name": "Cups", "slug": Slug("mugs"), "description": "Of clay"}, at=later)
    assert (category.name, category.description) == ("Cups", "Of clay")
    assert category.updated_at == later
    assert told(category) == [
        CategoryChanged(category_id=category.id, fields=("name", "description"), at=later)
    ]


def test_a_revision_that_changes_nothing_never_happened() -> None:
    category, clock = a_category(name="Mugs"), Ticking()
    told(category)
    clock()
    category.revise({"name": "Mugs"}, at=clock())
    category.move([], height=1, at=clock())
    assert told(category) == []
    assert category.updated_at == NOON


def test_a_category_moves_below_another_one() -> None:
    category, above = a_category(), ancestors(2)
    told(category)
    category.move(above, height=1, at=NOON)
    assert category.parent_id == above[0]
    assert told(category) == [
        CategoryChanged(category_id=category.id, fields=("parent_id",), at=NOON)
    ]
    category.move([], height=1, at=NOON)
    assert category.parent_id is None


def test_a_category_never_lies_below_itself() -> None:
    category = a_category()
    for above in ([category.id], [*ancestors(3), category.id, *ancestors(1)]):
        with pytest.raises(CategoryCycle):
            category.move([CategoryId(id) for id in above], height=1, at=NOON)
    assert category.parent_id is None


@pytest.mark.parametrize(("above", "height"), [(0, 16), (8, 8), (15, 1)])
def test_a_tree_that_still_fits_moves(above: int, height: int) -> None:
    category = a_category()
    category.move(ancestors(above), height=height, at=NOON)
    assert (category.parent_id is not None) is (above > 0)


@pytest.mark.parametrize(("above", "height"), [(0, 17), (8, 9), (16, 1)])
def test_a_tree_that_would_be_too_deep_stays_where_it_is(above: int, height: int) -> None:
    category = a_category()
    with pytest.raises(CategoryTooDeep):
        category.move(ancestors(above), height=height, at=NOON)
    assert category.parent_id is None


def test_a_deleted_category_sets_its_name_free() -> None:
    category = a_category(name="Mugs")
    told(category)
    category.delete(at=NOON)
    assert category.name != "Mugs"
    assert told(category) == [CategoryDeleted(category_id=category.id, at=NOON)]
