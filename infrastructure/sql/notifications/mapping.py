from sqlalchemy import Column, ForeignKey, Index, Table

from domain.notifications.notification import MESSAGE_LENGTH, Notification
from infrastructure.sql.schema import UtcDateTime, aggregate_columns, mappers, metadata, text

notifications = Table(
    "notifications",
    metadata,
    *aggregate_columns(),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("order_id", ForeignKey("orders.id")),
    Column("message", text(MESSAGE_LENGTH), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("read_at", UtcDateTime),
    Index(None, "user_id", "created_at", "id"),
)
Index(
    "ix_notifications_unread",
    notifications.c.user_id,
    notifications.c.created_at,
    notifications.c.id,
    sqlite_where=notifications.c.read_at.is_(None),
    postgresql_where=notifications.c.read_at.is_(None),
)


def map_notifications() -> None:
    mappers.map_imperatively(Notification, notifications, version_id_col=notifications.c.version)
