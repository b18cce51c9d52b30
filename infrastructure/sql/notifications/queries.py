from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from application.notifications.queries import NotificationDetails
from application.shared.pages import Page, PageRequest
from domain.identity.user import UserId
from infrastructure.sql.notifications.mapping import notifications
from infrastructure.sql.pages import page

_column = notifications.c
_NOTIFICATIONS = select(
    _column.id,
    _column.order_id,
    _column.message,
    _column.created_at,
    _column.read_at,
    _column.version,
)
_SORTS = {"created_at": _column.created_at}


class SqlNotificationQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(
        self, request: PageRequest, user_id: UserId, *, unread: bool | None = None
    ) -> Page[NotificationDetails]:
        statement = _NOTIFICATIONS.where(_column.user_id == user_id)
        if unread is not None:
            never = _column.read_at.is_(None)
            statement = statement.where(never if unread else ~never)
        return await page(
            self._engine,
            statement,
            request,
            sorts=_SORTS,
            id=_column.id,
            record=lambda row: NotificationDetails(**row._mapping),
        )
