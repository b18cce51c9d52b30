from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from application.shared.pages import Page, PageRequest
from domain.identity.session import SessionId
from domain.identity.user import Role, User, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDetails:
    """A user as anybody may see them who may see them at all: without the password's hash."""

    id: UserId
    username: str
    email: str
    full_name: str | None
    bio: str | None
    role: Role
    is_active: bool
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None
    version: int

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(
            id=UserId(user.id),
            username=user.username,
            email=user.email,
            full_name=user.full_name,
            bio=user.bio,
            role=user.role,
            is_active=user.is_active,
            created_at=user.created_at,
            updated_at=user.updated_at,
            last_login_at=user.last_login_at,
            version=user.version,
        )


@dataclass(frozen=True, slots=True)
class Credentials:
    id: UserId
    password_hash: str
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFilter:
    """Which users: each condition narrows, None and an empty tuple do not."""

    is_active: bool | None = None
    role: Role | None = None
    email_key: str | None = None
    beginnings: tuple[str, ...] = ()  # folded; some word of the user begins with each


class UserQueries(Protocol):
    async def find(self, id: UserId) -> UserDetails | None: ...

    async def credentials(self, login: str) -> Credentials | None:
        """Of whoever has this username or email address, in any spelling of it."""

    async def page(self, request: PageRequest, wanted: UserFilter) -> Page[UserDetails]:
        """Sorted by `created_at` or `username`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDetails:
    id: SessionId
    client: str | None
    created_at: datetime
    last_used_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody with an open session is at present."""

    user_id: UserId
    role: Role


class SessionQueries(Protocol):
    async def standing(self, id: SessionId, *, at: datetime) -> Standing | None:
        """None where the session is over or its user deactivated."""

    async def open_of(self, user_id: UserId, *, at: datetime) -> Sequence[SessionDetails]:
        """The last used first."""
