from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from application.notifications.queries import NotificationDetails
from application.shared.pages import Page, PageRequest
from domain.identity.user import User, UserId
from domain.notifications.notification import Notification, NotificationId, NotificationNotFound
from infrastructure.memory.database import MemoryDatabase, MemorySession, Reference
from infrastructure.memory.pages import page

# That to the order is with the orders, which this knows nothing of.
REFERENCES: Final = (Reference(Notification, User, lambda notification: [notification.user_id]),)


class MemoryNotifications:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: NotificationId, *, lock: bool = False) -> Notification:
        notification = await self._session.find(Notification, id, lock=lock)
        if notification is None:
            raise NotificationNotFound
        return notification

    def add(self, notification: Notification) -> None:
        self._session.add(notification)


_SORTS: Final[dict[str, Callable[[NotificationDetails], Any]]] = {
    "created_at": attrgetter("created_at"),
}


class MemoryNotificationQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def page(
        self, request: PageRequest, user_id: UserId, *, unread: bool | None = None
    ) -> Page[NotificationDetails]:
        def fits(notification: Notification) -> bool:
            is_unread = notification.read_at is None
            return notification.user_id == user_id and unread in (None, is_unread)

        found = map(NotificationDetails.of, filter(fits, self._database.all(Notification)))
        return page(found, request, sorts=_SORTS, id=attrgetter("id"))
