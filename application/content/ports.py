from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from application.catalog.ports import CatalogWork
from domain.content.post import Post, PostId
from domain.shared.text import Slug


class Posts(Protocol):
    """Everything that was written to be read."""

    async def get(self, id: PostId, *, lock: bool = False) -> Post:
        """The post, or PostNotFound."""

    async def view(self, slug: Slug) -> Post | None:
        """
        Count a view of the published post of this slug, if there is one, and give it as it is then.

        Neither its version nor the time of its last change moves.
        """

    async def taken(self, slugs: Iterable[Slug]) -> set[Slug]:
        """Those slugs that a post has."""

    async def untag(self, slug: Slug, *, at: datetime) -> None:
        """Take this tag off every post."""

    def add(self, post: Post) -> None: ...

    async def remove(self, post: Post) -> None: ...


class ContentWork(CatalogWork, Protocol):
    posts: Posts
