import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from application.identity.actor import Actor
from application.identity.ports import IdentityWork, PasswordHasher
from application.shared.bulk import row_by_row
from application.shared.clock import Clock
from application.shared.errors import RowRefused
from domain.identity import credentials
from domain.identity.user import Permission, Role, User
from domain.shared.errors import DomainError

NO_PASSWORD: Final = "!"  # noqa: S105 (the hash of none: nothing fits it)
HASHED_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """Somebody who is to be a user; without a password they cannot sign in yet."""

    username: str
    email: str
    password: str | None
    full_name: str | None = None
    role: Role = Role.CUSTOMER


@dataclass(frozen=True, slots=True)
class Registration:
    """Becoming a user."""

    begin: Callable[[], IdentityWork]
    hasher: PasswordHasher
    clock: Clock

    async def register(self, new: NewUser) -> User:
        """A new user, or UsernameTaken or EmailTaken."""
        password_hash = await self._hash(new)
        async with self.begin() as work:
            user = self._add(work, new, password_hash)
            await work.commit()
        return user

    async def register_all(
        self, actor: Actor, rows: Sequence[NewUser | DomainError], *, skip: bool
    ) -> Sequence[User | DomainError]:
        """
        Register each row, or say why not, row by row.

        A row that is an error already was refused before it came here. Without `skip` the first
        refusal is raised as RowRefused and nobody is registered.
        """
        actor.require(Permission.MANAGE_USERS_IN_BULK)
        rows = [_checked(row) for row in rows]
        for index, row in enumerate(rows):
            if isinstance(row, DomainError) and not skip:
                raise RowRefused(index, row)  # before all the others are hashed for nothing
        hashes = iter(await self._hash_all([row for row in rows if isinstance(row, NewUser)]))
        async with self.begin() as work:

            async def add(new: NewUser) -> User:
                return self._add(work, new, next(hashes))

            results = await row_by_row(work, rows, add, skip=skip)
            await work.commit()
        return results

    def _add(self, work: IdentityWork, new: NewUser, password_hash: str) -> User:
        user = User.register(
            username=new.username,
            email=new.email,
            password_hash=password_hash,
            full_name=new.full_name,
            role=new.role,
            at=self.clock(),
        )
        work.users.add(user)
        return user

    async def _hash(self, new: NewUser) -> str:
        if new.password is None:
            return NO_PASSWORD
        return await self.hasher.hash(credentials.password(new.password))

    async def _hash_all(self, news: Sequence[NewUser]) -> list[str]:
        hashes: list[str] = []
        for begin in range(0, len(news), HASHED_AT_ONCE):
            some = news[begin : begin + HASHED_AT_ONCE]
            hashes += await asyncio.gather(*map(self._hash, some))
        return hashes


def _checked(row: NewUser | DomainError) -> NewUser | DomainError:
    """The row, or why its password is none."""
    try:
        if isinstance(row, NewUser) and row.password is not None:
            credentials.password(row.password)
    except DomainError as refusal:
        return refusal
    return row
