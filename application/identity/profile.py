import unicodedata
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from application.identity.actor import Actor, Unauthenticated
from application.identity.ports import IdentityWork, PasswordHasher
from application.identity.queries import SessionDetails, SessionQueries, UserDetails, UserQueries
from application.identity.signing_in import InvalidCredentials, SigningIn, end_sessions
from application.shared.clock import Clock
from application.shared.errors import unchanged_since
from domain.identity import credentials
from domain.identity.attempts import PER_USER, attempts_id
from domain.identity.session import EndReason
from domain.identity.user import User, UserChanges, UserNotFound


@dataclass(frozen=True, slots=True)
class Profile:
    """What users do with themselves."""

    begin: Callable[[], IdentityWork]
    users: UserQueries
    sessions: SessionQueries
    signing_in: SigningIn
    hasher: PasswordHasher
    clock: Clock

    async def own(self, actor: Actor) -> UserDetails:
        found = await self.users.find(actor.id)
        if found is None:
            raise Unauthenticated
        return found

    async def own_sessions(self, actor: Actor) -> Sequence[SessionDetails]:
        """Where one is signed in; the last used first."""
        return await self.sessions.open_of(actor.id, at=self.clock())

    async def revise(
        self, actor: Actor, changes: UserChanges, *, expected: Container[int] | None = None
    ) -> User:
        async with self.begin() as work:
            user = await self._self(work, actor)
            unchanged_since(expected, user)
            user.revise(changes, at=self.clock())
            await work.commit()
        return user

    async def change_password(self, actor: Actor, *, old: str, new: str) -> None:
        """Ends every session, this one included. A wrong old password is InvalidCredentials."""
        new = credentials.password(new, field="new_password")
        known = await self.users.credentials((await self.own(actor)).username)
        if known is None:
            raise Unauthenticated
        attempt = {attempts_id("password", actor.id.hex): PER_USER}
        await self.signing_in.count_attempt(attempt)
        if not await self.hasher.verify(unicodedata.normalize("NFC", old), known.password_hash):
            raise InvalidCredentials
        password_hash = await self.hasher.hash(new)
        at = self.clock()
        async with self.begin() as work:
            await self.signing_in.forgive_attempt(work, attempt, at=at)
            user = await self._self(work, actor)
            if user.password_hash != known.password_hash:
                raise InvalidCredentials
            user.change_password(password_hash, at=at)
            await end_sessions(work, actor.id, EndReason.PASSWORD_CHANGED, at=at)
            await work.commit()

    async def _self(self, work: IdentityWork, actor: Actor) -> User:
        try:
            return await work.users.get(actor.id, lock=True)
        except UserNotFound:  # deleted a moment ago
            raise Unauthenticated from None
