from sqlalchemy import bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from application.identity.queries import Credentials, UserDetails
from domain.identity.user import UserId
from domain.shared.text import folded
from infrastructure.sql.identity.mapping import users

_column = users.c

_BY_ID = select(
    _column.id,
    _column.username,
    _column.email,
    _column.full_name,
    _column.bio,
    _column.role,
    _column.is_active,
    _column.created_at,
    _column.updated_at,
    _column.last_login_at,
    _column.version,
).where(_column.id == bindparam("id"))

_CREDENTIALS = select(_column.id, _column.password_hash, _column.is_active).where(
    or_(_column.username_key == bindparam("login"), _column.email_key == bindparam("login"))
)


class SqlUserQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, id: UserId) -> UserDetails | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_BY_ID, {"id": id})).one_or_none()
        return UserDetails(**row._mapping) if row else None

    async def credentials(self, login: str) -> Credentials | None:
        async with self._engine.connect() as connection:
            rows = await connection.execute(_CREDENTIALS, {"login": folded(login)})
            row = rows.one_or_none()
        return Credentials(*row) if row else None
