from dataclasses import dataclass
from uuid import UUID

from domain.shared.events import Event


@dataclass(frozen=True, kw_only=True)
class PostEvent(Event):
    post_id: UUID
    slug: str


@dataclass(frozen=True, kw_only=True)
class PostCreated(PostEvent):
    name = "post.created"
    author_id: UUID


@dataclass(frozen=True, kw_only=True)
class PostChanged(PostEvent):
    """`fields` are the names of those that changed."""

    name = "post.changed"
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PostPublished(PostEvent):
    name = "post.published"


@dataclass(frozen=True, kw_only=True)
class PostArchived(PostEvent):
    name = "post.archived"


@dataclass(frozen=True, kw_only=True)
class PostDeleted(PostEvent):
    name = "post.deleted"
