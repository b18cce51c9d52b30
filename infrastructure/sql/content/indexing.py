"""What is kept beside the posts to find them by, written in the flush that stores them."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, delete, event, insert
from sqlalchemy.orm import Session

from domain.content.post import Post
from infrastructure.sql.content.mapping import post_tags
from infrastructure.sql.content.search import index, unindex
from infrastructure.sql.session import AggregateSession, changed

_SEARCHED: Final = ("title", "content")


@event.listens_for(AggregateSession, "before_flush")
def _part(session: Session, _: object, __: object) -> None:
    # Before, because a tag, or the post itself, may go in the same flush.
    gone = [entity.id for entity in session.deleted if isinstance(entity, Post)]
    if gone:
        unindex(session.connection(), gone)
    if ids := [*gone, *(post.id for post in changed(session, Post, "tags"))]:
        _unlink(session.connection(), ids)


@event.listens_for(AggregateSession, "after_flush")
def _follow(session: Session, _: object) -> None:
    new = [entity for entity in session.new if isinstance(entity, Post)]
    if new:
        index(session.connection(), new)
        _link(session.connection(), new)
    if rewritten := changed(session, Post, *_SEARCHED):
        unindex(session.connection(), [post.id for post in rewritten])
        index(session.connection(), rewritten)
    _link(session.connection(), changed(session, Post, "tags"))


def _unlink(connection: Connection, ids: Sequence[UUID]) -> None:
    connection.execute(delete(post_tags).where(post_tags.c.post_id.in_(ids)))


def _link(connection: Connection, posts: Sequence[Post]) -> None:
    if links := [{"slug": tag, "post_id": post.id} for post in posts for tag in post.tags]:
        connection.execute(insert(post_tags), links)
