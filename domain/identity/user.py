import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType, Self, TypedDict
from uuid import UUID

from domain.identity.events import (
    PasswordChanged,
    UserActivated,
    UserChanged,
    UserDeactivated,
    UserDeleted,
    UserPromoted,
    UserRegistered,
)
from domain.shared import text
from domain.shared.aggregate import Aggregate
from domain.shared.errors import Conflict, Duplicate, InvalidValue, NotFound
from domain.shared.ids import new_id
from domain.shared.text import Email

UserId = NewType("UserId", UUID)

FULL_NAME_LENGTH: Final = 200
BIO_LENGTH: Final = 2_000
USERNAME_LENGTH: Final = 50
WORDS_LENGTH: Final = 2_000

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


class LastAdmin(Conflict):
    code = "last-admin"

    def __init__(self) -> None:
        super().__init__("a shop keeps at least one active administrator")


class Role(StrEnum):
    """Each role may what the ones before it may."""

    CUSTOMER = "customer"
    STAFF = "staff"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return [*Role].index(self)


class Permission(StrEnum):
    MANAGE_CATALOG = "manage the catalog"
    MANAGE_POSTS = "manage posts"
    MANAGE_ORDERS = "manage orders"
    MANAGE_ACCOUNTS = "manage accounts"
    MANAGE_USERS = "manage users"
    SEE_REPORTS = "see reports"
    CHANGE_ROLES = "change roles"
    DELETE_USERS = "delete users"
    MANAGE_USERS_IN_BULK = "manage users in bulk"


_CUSTOMER: Final[frozenset[Permission]] = frozenset()
_STAFF: Final = _CUSTOMER | {
    Permission.MANAGE_CATALOG,
    Permission.MANAGE_POSTS,
    Permission.MANAGE_ORDERS,
    Permission.MANAGE_ACCOUNTS,
    Permission.MANAGE_USERS,
    Permission.SEE_REPORTS,
}
_ADMIN: Final = _STAFF | {
    Permission.CHANGE_ROLES,
    Permission.DELETE_USERS,
    Permission.MANAGE_USERS_IN_BULK,
}

PERMISSIONS: Final = {Role.CUSTOMER: _CUSTOMER, Role.STAFF: _STAFF, Role.ADMIN: _ADMIN}


class UserChanges(TypedDict, total=False):
    """New values by field; what is absent stays."""

    username: str
    email: str
    full_name: str | None
    bio: str | None


@dataclass(eq=False, kw_only=True)
class User(Aggregate):
    """
    Somebody who signs in.

    `username_key` and `email_key` are the spellings that must be unique: folded, so that no two
    users differ by case or Unicode form alone. `words` is what a user is searched by.
    """

    username: str
    username_key: str
    email: Email
    email_key: str
    words: str
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
        name, address = _username(username), text.email(email)
        full_name = _full_name(full_name)
        user = cls(
            id=new_id(at),
            username=name,
            username_key=text.folded(name),
            email=address,
            email_key=text.folded(address),
            words=_words(name, address, full_name),
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

    def revise(self, changes: UserChanges, *, at: datetime) -> None:
        """Change what is given and differs."""
        wanted: UserChanges = {**changes}
        if "username" in wanted:
            wanted["username"] = _username(wanted["username"])
        if "email" in wanted:
            wanted["email"] = text.email(wanted["email"])
        if "full_name" in wanted:
            wanted["full_name"] = _full_name(wanted["full_name"])
        if "bio" in wanted and wanted["bio"] is not None:
            wanted["bio"] = text.text("bio", wanted["bio"], longest=BIO_LENGTH)
        if changed := self.assign(wanted):
            self.username_key = text.folded(self.username)
            self.email_key = text.folded(self.email)
            self.words = _words(self.username, self.email, self.full_name)
            self.updated_at = at
            self.record(UserChanged(user_id=self.id, fields=changed, at=at))

    def promote(self, role: Role, *, at: datetime) -> None:
        """Give the user this role, which may also be a lower one."""
        if role is not self.role:
            self.role = role
            self.updated_at = at
            self.record(UserPromoted(user_id=self.id, role=role, at=at))

    def activate(self, *, at: datetime) -> None:
        if not self.is_active:
            self.is_active = True
            self.updated_at = at
            self.record(UserActivated(user_id=self.id, at=at))

    def deactivate(self, *, at: datetime) -> None:
        if self.is_active:
            self.is_active = False
            self.updated_at = at
            self.record(UserDeactivated(user_id=self.id, at=at))

    def change_password(self, password_hash: str, *, at: datetime) -> None:
        self.password_hash = password_hash
        self.updated_at = at
        self.record(PasswordChanged(user_id=self.id, at=at))

    def sign_in(self, *, rehashed: str | None = None, at: datetime) -> None:
        """`rehashed` is the same password by newer parameters."""
        self.last_login_at = at
        if rehashed is not None:
            self.password_hash = rehashed

    def delete(self, *, at: datetime) -> None:
        self.record(UserDeleted(user_id=self.id, at=at))


def _username(value: str) -> str:
    name = unicodedata.normalize("NFKC", value)
    if not _USERNAME.fullmatch(name):
        raise InvalidValue("username", "is not 3 to 50 of A-Z, a-z, 0-9 and _")
    return name


def _words(*texts: str | None) -> str:
    # Folding may lengthen without end; who is found by so many words is found well enough.
    return text.words(*texts)[:WORDS_LENGTH]


def _full_name(value: str | None) -> str | None:
    return None if value is None else text.line("full_name", value, longest=FULL_NAME_LENGTH)
