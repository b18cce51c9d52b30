from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from domain.shared.errors import Conflict


class PostStatus(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"

    @property
    def next(self) -> tuple["PostStatus", ...]:
        """What a post may become from here."""
        return TRANSITIONS[self]

    def to(self, target: "PostStatus") -> "PostStatus":
        """The target, if the table leads there."""
        if target not in self.next:
            raise InvalidTransition(self, target)
        return target


# Nothing becomes a draft again: who has read a post may come back to it.
TRANSITIONS: Final[Mapping[PostStatus, tuple[PostStatus, ...]]] = {
    PostStatus.DRAFT: (PostStatus.PUBLISHED, PostStatus.ARCHIVED),
    PostStatus.PUBLISHED: (PostStatus.ARCHIVED,),
    PostStatus.ARCHIVED: (PostStatus.PUBLISHED,),
}


class InvalidTransition(Conflict):
    """`details`: `from`, `to`, and `allowed`, the statuses that can be reached from here."""

    code = "invalid-transition"

    def __init__(self, now: PostStatus, target: PostStatus) -> None:
        super().__init__(
            f"a post that is {now} cannot become {target}",
            **{"from": now, "to": target, "allowed": list(now.next)},
        )
