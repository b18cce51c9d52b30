from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self
from uuid import UUID

from application.shared.pages import Page, PageRequest
from domain.identity.user import UserId
from domain.notifications.notification import Notification


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationDetails:
    id: UUID
    order_id: UUID | None
    message: str
    created_at: datetime
    read_at: datetime | None
    version: int

    @classmethod
    def of(cls, notification: Notification) -> Self:
        return cls(
            id=notification.id,
            order_id=notification.order_id,
            message=notification.message,
            created_at=notification.created_at,
            read_at=notification.read_at,
            version=notification.version,
        )


class NotificationQueries(Protocol):
    async def page(
        self, request: PageRequest, user_id: UserId, *, unread: bool | None = None
    ) -> Page[NotificationDetails]:
        """The user's own, sorted by `created_at`; `unread` narrows to those or to the others."""
