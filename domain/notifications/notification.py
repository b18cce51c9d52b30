from dataclasses import dataclass
from datetime import datetime
from typing import Final, NewType, Self
from uuid import UUID

from domain.identity.user import UserId
from domain.shared import text
from domain.shared.aggregate import Aggregate
from domain.shared.errors import NotFound
from domain.shared.ids import new_id

NotificationId = NewType("NotificationId", UUID)

MESSAGE_LENGTH: Final = 500


class NotificationNotFound(NotFound):
    code = "notification-not-found"

    def __init__(self) -> None:
        super().__init__("there is no such notification")


@dataclass(eq=False, kw_only=True)
class Notification(Aggregate):
    """What a user is told, mostly about an order; they have read it or not."""

    user_id: UserId
    order_id: UUID | None
    message: str
    created_at: datetime
    read_at: datetime | None = None

    @classmethod
    def write(
        cls, user_id: UserId, message: str, *, order_id: UUID | None = None, at: datetime
    ) -> Self:
        return cls(
            id=new_id(at),
            user_id=user_id,
            order_id=order_id,
            message=text.line("message", message, longest=MESSAGE_LENGTH),
            created_at=at,
        )

    def read(self, *, at: datetime) -> None:
        """The first time counts."""
        self.read_at = self.read_at or at
