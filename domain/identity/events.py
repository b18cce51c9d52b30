from dataclasses import dataclass
from uuid import UUID

from domain.shared.events import Event


@dataclass(frozen=True, kw_only=True)
class UserEvent(Event):
    user_id: UUID


@dataclass(frozen=True, kw_only=True)
class UserRegistered(UserEvent):
    name = "user.registered"
    role: str


@dataclass(frozen=True, kw_only=True)
class UserChanged(UserEvent):
    """`fields` are the names of those that changed."""

    name = "user.changed"
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class UserPromoted(UserEvent):
    name = "user.promoted"
    role: str


@dataclass(frozen=True, kw_only=True)
class UserActivated(UserEvent):
    name = "user.activated"


@dataclass(frozen=True, kw_only=True)
class UserDeactivated(UserEvent):
    name = "user.deactivated"


@dataclass(frozen=True, kw_only=True)
class PasswordChanged(UserEvent):
    name = "user.password_changed"


@dataclass(frozen=True, kw_only=True)
class UserDeleted(UserEvent):
    name = "user.deleted"


@dataclass(frozen=True, kw_only=True)
class SessionEvent(Event):
    session_id: UUID
    user_id: UUID


@dataclass(frozen=True, kw_only=True)
class SessionOpened(SessionEvent):
    name = "session.opened"


@dataclass(frozen=True, kw_only=True)
class SessionEnded(SessionEvent):
    name = "session.ended"
    reason: str
