from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NewType, Protocol, Self
from uuid import UUID

from domain.catalog.events import TagCreated, TagDeleted
from domain.shared import text
from domain.shared.aggregate import Aggregate
from domain.shared.errors import Duplicate, NotFound
from domain.shared.ids import new_id
from domain.shared.text import Slug

TagId = NewType("TagId", UUID)

TAG_NAME_LENGTH: Final = 100


class TagNotFound(NotFound):
    code = "tag-not-found"

    def __init__(self, *slugs: Slug) -> None:
        which = {"tags": sorted(slugs)} if slugs else {}
        super().__init__("there is no such tag", **which)


class TagSlugTaken(Duplicate):
    def __init__(self) -> None:
        super().__init__("slug")


class Tagged(Protocol):
    """Whatever bears tags, and tells when that was changed."""

    tags: tuple[Slug, ...]

    def assign(self, values: Mapping[str, object]) -> object: ...


def take_off(slug: Slug, tagged: Iterable[Tagged], *, at: datetime) -> None:
    """Leave each of them its other tags."""
    for each in tagged:
        left = tuple(tag for tag in each.tags if tag != slug)
        each.assign({"tags": left, "updated_at": at})


@dataclass(eq=False, kw_only=True)
class Tag(Aggregate):
    """A word that things are found by. They name it by its slug, which therefore never changes."""

    name: str
    slug: Slug
    created_at: datetime

    @classmethod
    def create(cls, *, name: str, slug: Slug, at: datetime) -> Self:
        tag = cls(
            id=new_id(at),
            name=text.line("name", name, longest=TAG_NAME_LENGTH),
            slug=slug,
            created_at=at,
        )
        tag.record(TagCreated(tag_id=tag.id, slug=slug, at=at))
        return tag

    def delete(self, *, at: datetime) -> None:
        self.record(TagDeleted(tag_id=self.id, slug=self.slug, at=at))
