from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID

from domain.identity.session import SessionId
from domain.identity.user import PERMISSIONS, Permission, Role, UserId
from domain.shared.author import Author
from domain.shared.errors import Forbidden


class Unauthenticated(Exception):
    """Nobody we know."""

    code: ClassVar[str] = "unauthenticated"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, in which session and which request, and what they may."""

    id: UserId
    role: Role
    session_id: SessionId | None = None
    request_id: str | None = None

    @property
    def author(self) -> Author:
        """Whom that which now happens is to be laid to."""
        return Author(self.id, self.request_id)

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.role]

    def require(self, permission: Permission) -> None:
        if not self.may(permission):
            raise Forbidden(f"you may not {permission}")

    def require_rank_of(self, role: Role) -> None:
        """Nobody decides about those above them."""
        if role.rank > self.role.rank:
            raise Forbidden(f"this takes at least a {role}")


# Whoever sits at the machine, and could change the database itself just as well.
OPERATOR: Final = Actor(UserId(UUID(int=0)), Role.ADMIN)


def known(actor: Actor | None) -> Actor:
    """Whoever asks, if they have said who they are; else Unauthenticated."""
    if actor is None:
        raise Unauthenticated
    return actor
