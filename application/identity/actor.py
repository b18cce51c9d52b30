from dataclasses import dataclass
from typing import ClassVar

from domain.identity.user import PERMISSIONS, Permission, Role, UserId
from domain.shared.errors import Forbidden


class Unauthenticated(Exception):
    """Nobody we know."""

    code: ClassVar[str] = "unauthenticated"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, and what they may."""

    id: UserId
    role: Role

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.role]

    def require(self, permission: Permission) -> None:
        if not self.may(permission):
            raise Forbidden(f"you may not {permission}")


def known(actor: Actor | None) -> Actor:
    """Whoever asks, if they have said who they are; else Unauthenticated."""
    if actor is None:
        raise Unauthenticated
    return actor
