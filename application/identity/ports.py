from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.shared.unit_of_work import UnitOfWork
from domain.identity.attempts import Attempts
from domain.identity.session import Session, SessionId
from domain.identity.user import User, UserId


class Users(Protocol):
    """Everybody who ever registered."""

    async def get(self, id: UserId, *, lock: bool = False) -> User:
        """The user, or UserNotFound."""

    async def find_all(self, ids: Iterable[UserId]) -> Sequence[User]:
        """Those of them that are there."""

    async def by_login(self, login: str) -> User | None:
        """Whoever has this username or email address, in any spelling of it."""

    async def active_admins(self) -> Sequence[User]:
        """Locked in the order of their ids."""

    async def idle_since(self, moment: datetime) -> Sequence[User]:
        """
        Active users, but no administrators, who last signed in before the moment or, if they never
        did, registered before it; locked in the order of their ids.
        """

    async def deactivated(self) -> Sequence[User]:
        """Locked in the order of their ids."""

    def add(self, user: User) -> None: ...

    async def remove(self, user: User) -> None:
        """With their sessions. InUse, at the latest at the flush, if anything refers to them."""


class Sessions(Protocol):
    """Sign-ins and their refresh tokens."""

    async def find(self, id: SessionId, *, lock: bool = False) -> Session | None: ...

    async def open_of(self, user_id: UserId) -> Sequence[Session]:
        """Those that have not been ended, locked in the order of their ids."""

    async def forget_expired(self, user_id: UserId, *, at: datetime) -> None:
        """Remove what can never be used again."""

    async def forget_all_expired(self, *, at: datetime) -> int:
        """The same of every user; how many they were."""

    def add(self, session: Session) -> None: ...


class AttemptCounts(Protocol):
    """How often somebody has failed to sign in."""

    async def of(self, id: UUID, *, at: datetime) -> Attempts:
        """The count under this id, locked; one of none where nobody failed yet."""

    async def forget_old(self, *, at: datetime) -> int:
        """Remove the counts that an attempt would begin anew; how many they were."""


class IdentityWork(UnitOfWork, Protocol):
    users: Users
    sessions: Sessions
    attempts: AttemptCounts


class PasswordHasher(Protocol):
    """Slow on purpose, and therefore off the event loop."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, hash: str | None) -> bool:
        """Whether the password fits. Takes as long where there is no hash to compare with."""

    def is_outdated(self, hash: str) -> bool:
        """Whether it was made by other parameters than those of today."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom an access token was issued to, and in which session."""

    user_id: UserId
    session_id: SessionId


class AccessTokens(Protocol):
    """Signed proof of who somebody is, for a short time."""

    lifetime: int  # seconds

    def issue(self, holder: Holder) -> str: ...

    def holder(self, token: str) -> Holder | None:
        """None for a token that is not ours, not valid or expired."""
