from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.identity.user import User, UserId, UserNotFound
from domain.shared.text import folded
from infrastructure.sql.identity.mapping import users
from infrastructure.sql.session import found


class SqlUsers:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, id: UserId, *, lock: bool = False) -> User:
        user = await found(self._session, select(User).where(users.c.id == id), lock=lock)
        if user is None:
            raise UserNotFound
        return user

    async def by_login(self, login: str) -> User | None:
        key = folded(login)
        statement = select(User).where(or_(users.c.username_key == key, users.c.email_key == key))
        return await found(self._session, statement, lock=False)

    def add(self, user: User) -> None:
        self._session.add(user)
