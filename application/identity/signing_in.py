import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from application.identity.actor import Actor, Unauthenticated
from application.identity.ports import AccessTokens, Holder, IdentityWork, PasswordHasher
from application.identity.queries import Credentials, UserQueries
from application.shared.clock import Clock
from domain.identity.attempts import PER_ADDRESS, PER_USER, Limit, attempts_id
from domain.identity.session import EndReason, RefreshToken, Session, SessionId
from domain.identity.user import UserId, UserNotFound

# What an attempt counts against: where it is counted, and how many are free there.
Attempt = Mapping[UUID, Limit]


class InvalidCredentials(Unauthenticated):
    """Says the same of an unknown user, a wrong password, a deactivated user and a used token."""

    code = "invalid-credentials"


@dataclass(frozen=True, slots=True)
class Grant:
    """What proves a session: shortly by itself, and long in exchange for another such grant."""

    access_token: str
    expires_in: int  # seconds
    refresh_token: str


@dataclass(frozen=True, slots=True)
class SigningIn:
    """From a password to tokens, from a token to the next, and out again."""

    begin: Callable[[], IdentityWork]
    users: UserQueries
    hasher: PasswordHasher
    tokens: AccessTokens
    session_lifetime: timedelta
    clock: Clock

    async def with_password(
        self, login: str, password: str, *, client: str | None, address: str | None
    ) -> Grant:
        """A new session for the user of this name or email; InvalidCredentials, TooManyAttempts."""
        known = await self.users.credentials(login)
        attempt = _attempt(known, login, address)
        await self.count_attempt(attempt)
        # No unit of work is open while passwords are hashed, which takes its time.
        password = unicodedata.normalize("NFC", password)
        if not await self.hasher.verify(password, known.password_hash if known else None):
            raise InvalidCredentials
        if known is None or not known.is_active:
            raise InvalidCredentials
        rehashed = None
        if self.hasher.is_outdated(known.password_hash):
            rehashed = await self.hasher.hash(password)
        at = self.clock()
        async with self.begin() as work:
            await self.forgive_attempt(work, attempt, at=at)
            await self._admit(work, known, rehashed, at)
            await work.sessions.forget_expired(known.id, at=at)
            session, refresh = Session.open(
                known.id, client=client, lifetime=self.session_lifetime, at=at
            )
            work.sessions.add(session)
            await work.commit()
        return self._grant(known.id, refresh)

    async def with_refresh_token(self, text: str) -> Grant:
        """The next tokens of a session. To use one twice ends it, for whoever has the other."""
        token = RefreshToken.parse(text)
        if token is None:
            raise InvalidCredentials
        async with self.begin() as work:
            session = await work.sessions.find(token.session_id, lock=True)
            if session is None:
                raise InvalidCredentials
            following = session.renew(token, lifetime=self.session_lifetime, at=self.clock())
            await work.commit()
        if following is None:
            raise InvalidCredentials
        return self._grant(session.user_id, following)

    async def revoke(self, text: str) -> None:
        """End the session of this refresh or access token; a token of none ends nothing."""
        token, holder = RefreshToken.parse(text), self.tokens.holder(text)
        id = token.session_id if token else holder.session_id if holder else None
        if id is None:
            return
        async with self.begin() as work:
            session = await work.sessions.find(id, lock=True)
            if session and (token is None or token.hash == session.token_hash):
                session.end(EndReason.SIGNED_OUT, at=self.clock())
            await work.commit()

    async def end_session(self, actor: Actor, id: SessionId) -> bool:
        """Whether the actor had such a session, which is over now."""
        async with self.begin() as work:
            session = await work.sessions.find(id, lock=True)
            if session is None or session.user_id != actor.id or session.ended_at:
                return False
            session.end(EndReason.SIGNED_OUT, at=self.clock())
            await work.commit()
        return True

    async def end_all(self, actor: Actor) -> None:
        """Sign out everywhere, here included."""
        async with self.begin() as work:
            await end_sessions(work, actor.id, EndReason.SIGNED_OUT, at=self.clock())
            await work.commit()

    async def count_attempt(self, attempt: Attempt) -> None:
        """Count one more of them, or TooManyAttempts."""
        at = self.clock()
        async with self.begin() as work:
            for id in sorted(attempt):
                (await work.attempts.of(id, at=at)).begin(attempt[id], at=at)
            await work.commit()

    async def forgive_attempt(self, work: IdentityWork, attempt: Attempt, *, at: datetime) -> None:
        """It was right: forget the user's failures before it, as a part of this unit of work."""
        for id in sorted(attempt):
            attempts = await work.attempts.of(id, at=at)
            if attempt[id] is PER_USER:
                attempts.succeeded()
            else:
                attempts.take_back()

    async def _admit(
        self, work: IdentityWork, known: Credentials, rehashed: str | None, at: datetime
    ) -> None:
        try:
            user = await work.users.get(known.id, lock=True)
        except UserNotFound:
            raise InvalidCredentials from None
        # Meanwhile they may have been deactivated, or have got another password.
        if not user.is_active or user.password_hash != known.password_hash:
            raise InvalidCredentials
        user.sign_in(rehashed=rehashed, at=at)

    def _grant(self, user_id: UserId, refresh: RefreshToken) -> Grant:
        access = self.tokens.issue(Holder(user_id, refresh.session_id))
        return Grant(access, self.tokens.lifetime, str(refresh))


async def end_sessions(
    work: IdentityWork, user_id: UserId, reason: EndReason, *, at: datetime
) -> None:
    """End every session of the user, as a part of this unit of work."""
    for session in await work.sessions.open_of(user_id):
        session.end(reason, at=at)


def _attempt(known: Credentials | None, login: str, address: str | None) -> Attempt:
    # By name and by email address it is the same user; a name of nobody's counts like one.
    who = attempts_id("user", known.id.hex) if known else attempts_id("name", login)
    attempt = {who: PER_USER}
    if address is not None:
        attempt[attempts_id("address", address)] = PER_ADDRESS
    return attempt
