from typing import Protocol

from application.shared.unit_of_work import UnitOfWork
from domain.notifications.notification import Notification, NotificationId


class Notifications(Protocol):
    """Everything that users were ever told."""

    async def get(self, id: NotificationId, *, lock: bool = False) -> Notification:
        """The notification, or NotificationNotFound."""

    def add(self, notification: Notification) -> None: ...


class NotificationsWork(UnitOfWork, Protocol):
    notifications: Notifications
