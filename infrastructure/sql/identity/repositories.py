from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.identity.attempts import WINDOW, Attempts
from domain.identity.session import Session, SessionId
from domain.identity.user import Role, User, UserId, UserNotFound
from domain.shared.text import folded
from infrastructure.sql.identity.mapping import sessions, sign_in_attempts, users
from infrastructure.sql.session import found, insert_if_absent, locking, one_of, removed


class SqlUsers:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, id: UserId, *, lock: bool = False) -> User:
        user = await found(self._session, select(User).where(users.c.id == id), lock=lock)
        if user is None:
            raise UserNotFound
        return user

    async def find_all(self, ids: Iterable[UserId]) -> Sequence[User]:
        statement = select(User).where(one_of(self._session, users.c.id, ids))
        return (await self._session.scalars(statement)).all()

    async def by_login(self, login: str) -> User | None:
        key = folded(login)
        statement = select(User).where(or_(users.c.username_key == key, users.c.email_key == key))
        return await found(self._session, statement, lock=False)

    async def active_admins(self) -> Sequence[User]:
        return await self._locked(users.c.role == Role.ADMIN, users.c.is_active)

    async def idle_since(self, moment: datetime) -> Sequence[User]:
        last_seen = func.coalesce(users.c.last_login_at, users.c.created_at)
        return await self._locked(users.c.is_active, users.c.role != Role.ADMIN, last_seen < moment)

    async def deactivated(self) -> Sequence[User]:
        return await self._locked(users.c.is_active.is_(False))

    def add(self, user: User) -> None:
        self._session.add(user)

    async def remove(self, user: User) -> None:
        await self._session.execute(delete(Session).where(sessions.c.user_id == user.id))
        await self._session.delete(user)

    async def _locked(self, *conditions: ColumnElement[bool]) -> Sequence[User]:
        statement = select(User).where(*conditions).order_by(users.c.id)
        return (await self._session.scalars(locking(statement))).all()


class SqlSessions:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, id: SessionId, *, lock: bool = False) -> Session | None:
        return await found(self._session, select(Session).where(sessions.c.id == id), lock=lock)

    async def open_of(self, user_id: UserId) -> Sequence[Session]:
        statement = (
            select(Session)
            .where(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None))
            .order_by(sessions.c.id)
        )
        return (await self._session.scalars(locking(statement))).all()

    async def forget_expired(self, user_id: UserId, *, at: datetime) -> None:
        await self._session.execute(
            delete(Session).where(sessions.c.user_id == user_id, sessions.c.expires_at <= at)
        )

    async def forget_all_expired(self, *, at: datetime) -> int:
        return await removed(self._session, delete(Session).where(sessions.c.expires_at <= at))

    def add(self, session: Session) -> None:
        self._session.add(session)


class SqlAttemptCounts:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, id: UUID, *, at: datetime) -> Attempts:
        # Whoever comes first makes the row, so that there is one to lock.
        await insert_if_absent(
            self._session,
            sign_in_attempts,
            {"id": id, "version": 1, "sequence": 0, "failures": 0, "last_at": at},
        )
        statement = select(Attempts).where(sign_in_attempts.c.id == id)
        counted: Attempts = (await self._session.scalars(locking(statement))).one()
        return counted

    async def forget_old(self, *, at: datetime) -> int:
        blocked_until = sign_in_attempts.c.blocked_until
        return await removed(
            self._session,
            delete(Attempts).where(
                sign_in_attempts.c.last_at <= at - WINDOW,
                or_(blocked_until.is_(None), blocked_until <= at),
            ),
        )
