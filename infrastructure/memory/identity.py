from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from application.identity.queries import (
    Credentials,
    SessionDetails,
    Standing,
    UserDetails,
    UserFilter,
)
from application.shared.pages import Page, PageRequest
from domain.identity.attempts import Attempts
from domain.identity.session import Session, SessionId
from domain.identity.user import (
    EmailTaken,
    Role,
    User,
    UserId,
    UsernameTaken,
    UserNotFound,
)
from domain.shared.text import folded
from infrastructure.memory.database import MemoryDatabase, MemorySession, Reference, Unique
from infrastructure.memory.pages import page

UNIQUES: Final = (
    Unique(User, "uq_users_username_key", lambda user: user.username_key, UsernameTaken),
    Unique(User, "uq_users_email_key", lambda user: user.email_key, EmailTaken),
)

REFERENCES: Final = (Reference(Session, User, lambda session: [session.user_id]),)


class MemoryUsers:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: UserId, *, lock: bool = False) -> User:
        user = await self._session.find(User, id, lock=lock)
        if user is None:
            raise UserNotFound
        return user

    async def find_all(self, ids: Iterable[UserId]) -> Sequence[User]:
        found = [await self._session.find(User, id) for id in ids]
        return [user for user in found if user]

    async def by_login(self, login: str) -> User | None:
        key = folded(login)
        users = await self._session.select(
            User, lambda user: key in (user.username_key, user.email_key)
        )
        return users[0] if users else None

    async def active_admins(self) -> Sequence[User]:
        return await self._locked(lambda user: user.role is Role.ADMIN and user.is_active)

    async def idle_since(self, moment: datetime) -> Sequence[User]:
        return await self._locked(
            lambda user: (
                user.is_active
                and user.role is not Role.ADMIN
                and (user.last_login_at or user.created_at) < moment
            )
        )

    async def deactivated(self) -> Sequence[User]:
        return await self._locked(lambda user: not user.is_active)

    def add(self, user: User) -> None:
        self._session.add(user)

    async def remove(self, user: User) -> None:
        for session in await self._session.select(
            Session, lambda session: session.user_id == user.id
        ):
            self._session.remove(session)
        await self._session.flush()
        self._session.remove(user)

    async def _locked(self, wanted: Callable[[User], bool]) -> Sequence[User]:
        users = await self._session.select(User, wanted)
        locked = await self._session.lock_all(User, (user.id for user in users))
        return [user for user in locked if wanted(user)]


class MemorySessions:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def find(self, id: SessionId, *, lock: bool = False) -> Session | None:
        return await self._session.find(Session, id, lock=lock)

    async def open_of(self, user_id: UserId) -> Sequence[Session]:
        found = await self._session.select(
            Session, lambda session: session.user_id == user_id and session.ended_at is None
        )
        locked = await self._session.lock_all(Session, (session.id for session in found))
        return [session for session in locked if session.ended_at is None]

    async def forget_expired(self, user_id: UserId, *, at: datetime) -> None:
        for session in await self._session.select(
            Session, lambda session: session.user_id == user_id and session.expires_at <= at
        ):
            self._session.remove(session)
        await self._session.flush()

    async def forget_all_expired(self, *, at: datetime) -> int:
        expired = await self._session.select(Session, lambda session: session.expires_at <= at)
        for session in expired:
            self._session.remove(session)
        await self._session.flush()
        return len(expired)

    def add(self, session: Session) -> None:
        self._session.add(session)


class MemoryAttemptCounts:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def of(self, id: UUID, *, at: datetime) -> Attempts:
        attempts = await self._session.find(Attempts, id, lock=True)
        if attempts is None:
            attempts = Attempts.none(id, at=at)
            self._session.add(attempts)
        return attempts

    async def forget_old(self, *, at: datetime) -> int:
        old = await self._session.select(Attempts, lambda attempts: attempts.is_old(at=at))
        for attempts in old:
            self._session.remove(attempts)
        await self._session.flush()
        return len(old)


_SORTS: Final[dict[str, Callable[[UserDetails], Any]]] = {
    "created_at": attrgetter("created_at"),
    "username": attrgetter("username"),
}


class MemoryUserQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(self, id: UserId) -> UserDetails | None:
        user = self._database.get(User, id)
        return UserDetails.of(user) if user else None

    async def credentials(self, login: str) -> Credentials | None:
        key = folded(login)
        for user in self._database.all(User):
            if key in (user.username_key, user.email_key):
                return Credentials(UserId(user.id), user.password_hash, user.is_active)
        return None

    async def page(self, request: PageRequest, wanted: UserFilter) -> Page[UserDetails]:
        def fits(user: User) -> bool:
            return (
                wanted.is_active in (None, user.is_active)
                and wanted.role in (None, user.role)
                and wanted.email_key in (None, user.email_key)
                and all(f" {beginning}" in user.words for beginning in wanted.beginnings)
            )

        found = map(UserDetails.of, filter(fits, self._database.all(User)))
        return page(found, request, sorts=_SORTS, id=attrgetter("id"))


class MemorySessionQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def standing(self, id: SessionId, *, at: datetime) -> Standing | None:
        session = self._database.get(Session, id)
        if session is None or not session.is_open(at=at):
            return None
        user = self._database.get(User, session.user_id)
        return Standing(UserId(user.id), user.role) if user and user.is_active else None

    async def open_of(self, user_id: UserId, *, at: datetime) -> Sequence[SessionDetails]:
        found = [
            session
            for session in self._database.all(Session)
            if session.user_id == user_id and session.is_open(at=at)
        ]
        found.sort(key=attrgetter("last_used_at", "id"), reverse=True)
        return [
            SessionDetails(
                id=SessionId(session.id),
                client=session.client,
                created_at=session.created_at,
                last_used_at=session.last_used_at,
            )
            for session in found
        ]
