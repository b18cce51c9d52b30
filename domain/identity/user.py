import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType, Self
from uuid import UUID

from domain.identity.events import UserPromoted, UserRegistered
from domain.shared import text
from domain.shared.aggregate import Aggregate
from domain.shared.errors import Duplicate, InvalidValue, NotFound
from domain.shared.ids import new_id
from domain.shared.text import Email

UserId = NewType("UserId", UUID)

FULL_NAME_LENGTH: Final = 200
BIO_LENGTH: Final = 2_000
USERNAME_LENGTH: Final = 50

_USERNAME = re.compile(r"[A-Za-z0-9_]{3,50}")


class UserNotFound(NotFound):
    code = "user-not-found"

    def __init__(self) -> None:
        super().__init__("there is no such user")


class UsernameTaken(Duplicate):
    def __init__(self) -> None:
        super().__init__("username")


class EmailTaken(Duplicate):
    def __init__(self) -> None:
        super().__init__("email")


class Role(StrEnum):
    """Each role may what the ones before it may."""

    CUSTOMER = "customer"
    STAFF = "staff"
    ADMIN = "admin"


class Permission(StrEnum):
    MANAGE_CATALOG = "manage the catalog"
    MANAGE_ORDERS = "manage orders"


_CUSTOMER: Final[frozenset[Permission]] = frozenset()
_STAFF: Final = _CUSTOMER | {Permission.MANAGE_CATALOG, Permission.MANAGE_ORDERS}

PERMISSIONS: Final = {
    Role.CUSTOMER: _CUSTOMER,
    Role.STAFF: _STAFF,
    Role.ADMIN: _STAFF,
}


@dataclass(eq=False, kw_only=True)
class User(Aggregate):
    """
    Somebody who signs in.

    `username_key` and `email_key` are the spellings that must be unique: folded, so that no two
    users differ by case or Unicode form alone.
    """

    username: str
    username_key: str
    email: Email
    email_key: str
    password_hash: str
    full_name: str | None
    bio: str | None
    role: Role
    is_active: bool
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None = None

    @classmethod
    def register(
        cls,
        *,
        username: str,
        email: str,
        password_hash: str,
        full_name: str | None = None,
        role: Role = Role.CUSTOMER,
        at: datetime,
    ) -> Self:
        if not _USERNAME.fullmatch(username):
            raise InvalidValue("username", "is not 3 to 50 of A-Z, a-z, 0-9 and _")
        if full_name is not None:
            full_name = text.line("full_name", full_name, longest=FULL_NAME_LENGTH)
        address = text.email(email)
        user = cls(
            id=new_id(at),
            username=username,
            username_key=text.folded(username),
            email=address,
            email_key=text.folded(address),
            password_hash=password_hash,
            full_name=full_name,
            bio=None,
            role=role,
            is_active=True,
            created_at=at,
            updated_at=at,
        )
        user.record(UserRegistered(user_id=user.id, role=role, at=at))
        return user

    def promote(self, role: Role, *, at: datetime) -> None:
        """Give the user this role, which may also be a lower one."""
        if role is not self.role:
            self.role = role
            self.updated_at = at
            self.record(UserPromoted(user_id=self.id, role=role, at=at))

    def signed_in(self, *, at: datetime) -> None:
        self.last_login_at = at
