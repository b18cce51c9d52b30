from collections.abc import Callable
from dataclasses import dataclass

from application.identity.actor import Actor
from application.notifications.ports import NotificationsWork
from application.notifications.queries import NotificationDetails, NotificationQueries
from application.shared.clock import Clock
from application.shared.pages import Page, PageRequest
from domain.notifications.notification import (
    Notification,
    NotificationId,
    NotificationNotFound,
)


@dataclass(frozen=True, slots=True)
class Inbox:
    """What one was told: everybody's own, which staff do not see either."""

    begin: Callable[[], NotificationsWork]
    notifications: NotificationQueries
    clock: Clock

    async def list(
        self, actor: Actor, request: PageRequest, *, unread: bool | None = None
    ) -> Page[NotificationDetails]:
        return await self.notifications.page(request, actor.id, unread=unread)

    async def read(self, actor: Actor, id: NotificationId) -> Notification:
        """Mark it as read, if it is not yet."""
        async with self.begin() as work:
            notification = await work.notifications.get(id, lock=True)
            if notification.user_id != actor.id:
                raise NotificationNotFound
            notification.read(at=self.clock())
            await work.commit()
        return notification
