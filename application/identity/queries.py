from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

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


class UserQueries(Protocol):
    async def find(self, id: UserId) -> UserDetails | None: ...

    async def credentials(self, login: str) -> Credentials | None:
        """Of whoever has this username or email address, in any spelling of it."""
