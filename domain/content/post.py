from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NewType, Self, TypedDict
from uuid import UUID

from domain.catalog.product import checked_tags
from domain.content.events import (
    PostArchived,
    PostChanged,
    PostCreated,
    PostDeleted,
    PostPublished,
)
from domain.content.status import PostStatus
from domain.identity.user import UserId
from domain.shared import text
from domain.shared.aggregate import Aggregate
from domain.shared.errors import Duplicate, NotFound
from domain.shared.ids import new_id
from domain.shared.text import Slug

PostId = NewType("PostId", UUID)

TITLE_LENGTH: Final = 200
# The words of so much text fit into the 1 MiB of a tsvector, whatever letters they are of.
CONTENT_LENGTH: Final = 50_000


class PostNotFound(NotFound):
    code = "post-not-found"

    def __init__(self) -> None:
        super().__init__("there is no such post")


class PostSlugTaken(Duplicate):
    def __init__(self) -> None:
        super().__init__("slug")


class PostChanges(TypedDict, total=False):
    """New values by field; what is absent stays."""

    title: str
    slug: Slug
    content: str
    tags: Iterable[Slug]


@dataclass(eq=False, kw_only=True)
class Post(Aggregate):
    """
    Something to read. `published_at` is when it was first published, however often it is again.

    `view_count` is counted where the post is stored, past the aggregate and its version.
    """

    title: str
    slug: Slug
    content: str
    status: PostStatus
    tags: tuple[Slug, ...] = ()
    author_id: UserId
    view_count: int = 0
    published_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def create(
        cls,
        *,
        title: str,
        slug: Slug,
        content: str = "",
        tags: Iterable[Slug] = (),
        author_id: UserId,
        at: datetime,
    ) -> Self:
        """A new draft."""
        post = cls(
            id=new_id(at),
            title=_title(title),
            slug=slug,
            content=_content(content),
            status=PostStatus.DRAFT,
            tags=checked_tags(tags),
            author_id=author_id,
            created_at=at,
            updated_at=at,
        )
        post.record(PostCreated(post_id=post.id, slug=slug, author_id=author_id, at=at))
        return post

    def revise(self, changes: PostChanges, *, at: datetime) -> None:
        """Change what is given and differs, whatever the status."""
        wanted: PostChanges = {**changes}
        if "title" in wanted:
            wanted["title"] = _title(wanted["title"])
        if "content" in wanted:
            wanted["content"] = _content(wanted["content"])
        if "tags" in wanted:
            wanted["tags"] = checked_tags(wanted["tags"])
        if changed := self.assign(wanted):
            self.updated_at = at
            self.record(PostChanged(post_id=self.id, slug=self.slug, fields=changed, at=at))

    def publish(self, *, at: datetime) -> None:
        self._move(PostStatus.PUBLISHED, at=at)
        self.published_at = self.published_at or at
        self.record(PostPublished(post_id=self.id, slug=self.slug, at=at))

    def archive(self, *, at: datetime) -> None:
        self._move(PostStatus.ARCHIVED, at=at)
        self.record(PostArchived(post_id=self.id, slug=self.slug, at=at))

    def delete(self, *, at: datetime) -> None:
        self.record(PostDeleted(post_id=self.id, slug=self.slug, at=at))

    def _move(self, target: PostStatus, *, at: datetime) -> None:
        self.status = self.status.to(target)
        self.updated_at = at


def _title(value: str) -> str:
    return text.line("title", value, longest=TITLE_LENGTH)


def _content(value: str) -> str:
    return text.text("content", value, longest=CONTENT_LENGTH)
