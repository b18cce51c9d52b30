from typing import Self
from uuid import UUID

from pydantic import Field

from application.notifications.queries import NotificationDetails
from interfaces.http.schemas import Timestamp, View


class NotificationOut(View):
    id: UUID
    order_id: UUID | None
    message: str = Field(examples=["Order ORD-20261121-7Q2M4XKD was placed: 3 items, 41.97 USD."])
    created_at: Timestamp
    read_at: Timestamp | None
    version: int = Field(exclude=True)  # in the ETag alone: there is no change to be made

    @classmethod
    def of(cls, notification: NotificationDetails) -> Self:
        return cls(
            id=notification.id,
            order_id=notification.order_id,
            message=notification.message,
            created_at=notification.created_at,
            read_at=notification.read_at,
            version=notification.version,
        )
