from typing import Protocol

from application.shared.unit_of_work import UnitOfWork
from domain.identity.user import User, UserId


class Users(Protocol):
    """Everybody who ever registered."""

    async def get(self, id: UserId, *, lock: bool = False) -> User:
        """The user, or UserNotFound."""

    async def by_login(self, login: str) -> User | None:
        """Whoever has this username or email address, in any spelling of it."""

    def add(self, user: User) -> None: ...


class IdentityWork(UnitOfWork, Protocol):
    users: Users


class PasswordHasher(Protocol):
    """Slow on purpose, and therefore off the event loop."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, hash: str | None) -> bool:
        """Whether the password fits. Takes as long where there is no hash to compare with."""


class AccessTokens(Protocol):
    """Signed proof of who somebody is, for a short time."""

    lifetime: int  # seconds

    def issue(self, id: UserId) -> str: ...

    def holder(self, token: str) -> UserId | None:
        """Whom the token was issued to; None for one that is not ours, not valid or expired."""
