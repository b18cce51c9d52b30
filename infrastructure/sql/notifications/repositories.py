from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.notifications.notification import Notification, NotificationId, NotificationNotFound
from infrastructure.sql.notifications.mapping import notifications
from infrastructure.sql.session import add_at_once, found


class SqlNotifications:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, id: NotificationId, *, lock: bool = False) -> Notification:
        statement = select(Notification).where(notifications.c.id == id)
        notification = await found(self._session, statement, lock=lock)
        if notification is None:
            raise NotificationNotFound
        return notification

    def add(self, notification: Notification) -> None:
        add_at_once(self._session, notification)
