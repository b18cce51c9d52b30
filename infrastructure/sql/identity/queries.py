from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from application.identity.queries import (
    Credentials,
    SessionDetails,
    Standing,
    UserDetails,
    UserFilter,
)
from application.shared.pages import Page, PageRequest
from domain.identity.session import SessionId
from domain.identity.user import UserId
from domain.shared.text import folded
from infrastructure.sql.identity.mapping import sessions, users
from infrastructure.sql.pages import page

_column = users.c

_USERS = select(
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
)
_BY_ID = _USERS.where(_column.id == bindparam("id"))
_SORTS = {"created_at": _column.created_at, "username": _column.username}

_CREDENTIALS = select(_column.id, _column.password_hash, _column.is_active).where(
    or_(_column.username_key == bindparam("login"), _column.email_key == bindparam("login"))
)

_OPEN = (sessions.c.ended_at.is_(None), sessions.c.expires_at > bindparam("at"))
_STANDING = (
    select(_column.id, _column.role)
    .join_from(sessions, users, sessions.c.user_id == _column.id)
    .where(sessions.c.id == bindparam("id"), _column.is_active, *_OPEN)
)
_SESSIONS = (
    select(sessions.c.id, sessions.c.client, sessions.c.created_at, sessions.c.last_used_at)
    .where(sessions.c.user_id == bindparam("user_id"), *_OPEN)
    .order_by(sessions.c.last_used_at.desc(), sessions.c.id.desc())
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

    async def page(self, request: PageRequest, wanted: UserFilter) -> Page[UserDetails]:
        statement = _USERS
        if wanted.is_active is not None:
            statement = statement.where(_column.is_active.is_(wanted.is_active))
        if wanted.role is not None:
            statement = statement.where(_column.role == wanted.role)
        if wanted.email_key is not None:
            statement = statement.where(_column.email_key == wanted.email_key)
        for beginning in wanted.beginnings:
            statement = statement.where(_column.words.contains(f" {beginning}", autoescape=True))
        return await page(
            self._engine,
            statement,
            request,
            sorts=_SORTS,
            id=_column.id,
            record=lambda row: UserDetails(**row._mapping),
        )


class SqlSessionQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def standing(self, id: SessionId, *, at: datetime) -> Standing | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_STANDING, {"id": id, "at": at})).one_or_none()
        return Standing(*row) if row else None

    async def open_of(self, user_id: UserId, *, at: datetime) -> Sequence[SessionDetails]:
        async with self._engine.connect() as connection:
            rows = await connection.execute(_SESSIONS, {"user_id": user_id, "at": at})
            return [SessionDetails(**row._mapping) for row in rows]
