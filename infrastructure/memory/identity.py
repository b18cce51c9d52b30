from typing import Final

from application.identity.queries import Credentials, UserDetails
from domain.identity.user import EmailTaken, User, UserId, UsernameTaken, UserNotFound
from domain.shared.text import folded
from infrastructure.memory.database import MemoryDatabase, MemorySession, Unique

UNIQUES: Final = (
    Unique(User, "uq_users_username_key", lambda user: user.username_key, UsernameTaken),
    Unique(User, "uq_users_email_key", lambda user: user.email_key, EmailTaken),
)


class MemoryUsers:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: UserId, *, lock: bool = False) -> User:
        user = await self._session.find(User, id, lock=lock)
        if user is None:
            raise UserNotFound
        return user

    async def by_login(self, login: str) -> User | None:
        key = folded(login)
        users = await self._session.select(
            User, lambda user: key in (user.username_key, user.email_key)
        )
        return users[0] if users else None

    def add(self, user: User) -> None:
        self._session.add(user)


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
