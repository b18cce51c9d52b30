from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NewType, Self, TypedDict
from uuid import UUID

from domain.catalog.events import CategoryChanged, CategoryCreated, CategoryDeleted
from domain.shared import text
from domain.shared.aggregate import Aggregate
from domain.shared.errors import Conflict, Duplicate, NotFound
from domain.shared.ids import new_id
from domain.shared.text import Slug

CategoryId = NewType("CategoryId", UUID)

CATEGORY_NAME_LENGTH: Final = 200
DESCRIPTION_LENGTH: Final = 10_000
DEEPEST: Final = 16


class CategoryNotFound(NotFound):
    code = "category-not-found"

    def __init__(self) -> None:
        super().__init__("there is no such category")


class CategoryNameTaken(Duplicate):
    """A sibling has this name."""

    def __init__(self) -> None:
        super().__init__("name")


class CategorySlugTaken(Duplicate):
    def __init__(self) -> None:
        super().__init__("slug")


class CategoryCycle(Conflict):
    code = "category-cycle"

    def __init__(self) -> None:
        super().__init__("a category cannot lie below itself")


class CategoryTooDeep(Conflict):
    code = "category-too-deep"

    def __init__(self) -> None:
        super().__init__(f"categories nest at most {DEEPEST} deep", deepest=DEEPEST)


class CategoryChanges(TypedDict, total=False):
    """New values by field; what is absent stays."""

    name: str
    slug: Slug
    description: str


def _name(value: str) -> str:
    return text.line("name", value, longest=CATEGORY_NAME_LENGTH)


def _description(value: str) -> str:
    return text.text("description", value, longest=DESCRIPTION_LENGTH)


@dataclass(eq=False, kw_only=True)
class Category(Aggregate):
    """A place in the tree of the catalog. `parent_id` is None for a root."""

    name: str
    slug: Slug
    description: str
    parent_id: CategoryId | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def create(
        cls,
        *,
        name: str,
        slug: Slug,
        description: str = "",
        above: Sequence[CategoryId] = (),
        at: datetime,
    ) -> Self:
        """A new category below `above`: the ids from its parent up to the root."""
        if len(above) >= DEEPEST:
            raise CategoryTooDeep
        category = cls(
            id=new_id(at),
            name=_name(name),
            slug=slug,
            description=_description(description),
            parent_id=above[0] if above else None,
            created_at=at,
            updated_at=at,
        )
        category.record(
            CategoryCreated(category_id=category.id, parent_id=category.parent_id, at=at)
        )
        return category

    def revise(self, changes: CategoryChanges, *, at: datetime) -> None:
        """Change what is given and differs."""
        wanted: CategoryChanges = {**changes}
        if "name" in wanted:
            wanted["name"] = _name(wanted["name"])
        if "description" in wanted:
            wanted["description"] = _description(wanted["description"])
        self._changed(self.assign(wanted), at=at)

    def move(self, above: Sequence[CategoryId], *, height: int, at: datetime) -> None:
        """Below `above` (its new ancestors, nearest first); `height` counts its own levels."""
        if self.id in above:
            raise CategoryCycle
        if len(above) + height > DEEPEST:
            raise CategoryTooDeep
        parent_id = above[0] if above else None
        self._changed(self.assign({"parent_id": parent_id}), at=at)

    def delete(self, *, at: datetime) -> None:
        """Set its name free, which a child that moves up may bear."""
        self.name = str(self.id)
        self.record(CategoryDeleted(category_id=self.id, at=at))

    def _changed(self, fields: tuple[str, ...], *, at: datetime) -> None:
        if fields:
            self.updated_at = at
            self.record(CategoryChanged(category_id=self.id, fields=fields, at=at))
