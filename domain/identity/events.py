from dataclasses import dataclass
from uuid import UUID

from domain.shared.events import Event


@dataclass(frozen=True, kw_only=True)
class UserRegistered(Event):
    name = "user.registered"
    user_id: UUID
    role: str


@dataclass(frozen=True, kw_only=True)
class UserPromoted(Event):
    name = "user.promoted"
    user_id: UUID
    role: str
