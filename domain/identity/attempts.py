from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Self
from uuid import UUID

from domain.shared.aggregate import Aggregate
from domain.shared.errors import Forbidden
from domain.shared.text import folded

WINDOW: Final = timedelta(hours=1)
LONGEST_DELAY: Final = timedelta(minutes=15)


class TooManyAttempts(Forbidden):
    """`details["retry_after"]`: seconds until the next attempt counts."""

    code = "too-many-attempts"

    def __init__(self, until: timedelta) -> None:
        seconds = max(1, -(-until // timedelta(seconds=1)))
        super().__init__("too many attempts to sign in", retry_after=seconds)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many failures are free; each further one doubles the delay, which begins at a second."""

    free: int


PER_USER: Final = Limit(free=5)
PER_ADDRESS: Final = Limit(free=100)


@dataclass(eq=False, kw_only=True)
class Attempts(Aggregate):
    """
    The failed attempts to sign in of one user name or one network address.

    An attempt counts as failed from its beginning, so that a thousand at once are no way around the
    count; success takes that back. An hour without a failure forgets them all.
    """

    failures: int = 0
    last_at: datetime
    blocked_until: datetime | None = None

    @classmethod
    def none(cls, id: UUID, *, at: datetime) -> Self:
        return cls(id=id, last_at=at)

    def is_old(self, *, at: datetime) -> bool:
        """Whether nothing that was counted matters any more."""
        blocked = self.blocked_until is not None and at < self.blocked_until
        return not blocked and at - self.last_at >= WINDOW

    def begin(self, limit: Limit, *, at: datetime) -> None:
        """Count one more, or TooManyAttempts."""
        if self.blocked_until is not None and at < self.blocked_until:
            raise TooManyAttempts(self.blocked_until - at)
        if at - self.last_at >= WINDOW:
            self.failures = 0
        self.failures += 1
        self.last_at = at
        excess = self.failures - limit.free
        self.blocked_until = at + _delay(excess) if excess >= 0 else None

    def succeeded(self) -> None:
        """The user is who they say: nothing that went before matters any more."""
        self.failures = 0
        self.blocked_until = None

    def take_back(self) -> None:
        """The last attempt was none to guard against."""
        self.failures = max(0, self.failures - 1)
        self.blocked_until = None


def attempts_id(kind: str, name: str) -> UUID:
    """Where the attempts of this user name or address are counted, whether it is known or not."""
    return UUID(bytes=sha256(f"{kind}:{folded(name)}".encode()).digest()[:16])


def _delay(excess: int) -> timedelta:
    return min(LONGEST_DELAY, timedelta(seconds=2 ** min(excess, 20)))
