import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import NewType, Self
from uuid import UUID

from domain.identity.events import SessionEnded, SessionOpened
from domain.identity.user import UserId
from domain.shared.aggregate import Aggregate
from domain.shared.errors import NotFound
from domain.shared.ids import new_id

SessionId = NewType("SessionId", UUID)

CLIENT_LENGTH = 200


class SessionNotFound(NotFound):
    code = "session-not-found"

    def __init__(self) -> None:
        super().__init__("there is no such session")


class EndReason(StrEnum):
    SIGNED_OUT = "signed out"
    TOKEN_REUSED = "refresh token used twice"  # noqa: S105
    PASSWORD_CHANGED = "password changed"  # noqa: S105
    DEACTIVATED = "user deactivated"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The proof of a session: its id and a secret of 256 bits, which changes with each use."""

    session_id: SessionId
    secret: str

    @classmethod
    def parse(cls, token: str) -> Self | None:
        id, dot, secret = token.partition(".")
        try:
            return cls(SessionId(UUID(hex=id)), secret) if dot else None
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.session_id.hex}.{self.secret}"

    @property
    def hash(self) -> str:
        return sha256(self.secret.encode()).hexdigest()


@dataclass(eq=False, kw_only=True)
class Session(Aggregate):
    """
    One sign-in and the family of refresh tokens that come from it.

    Only the hash of the newest token is kept. Any other one of the family has been used before, by
    its owner or by a thief; nobody can tell which, so the family ends (RFC 9700 §4.14.2).
    """

    user_id: UserId
    token_hash: str
    client: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    @classmethod
    def open(
        cls, user_id: UserId, *, client: str | None, lifetime: timedelta, at: datetime
    ) -> tuple[Self, RefreshToken]:
        """A session with its first refresh token; `client` is what the client calls itself."""
        id = SessionId(new_id(at))
        token = _new_token(id)
        session = cls(
            id=id,
            user_id=user_id,
            token_hash=token.hash,
            client=client[:CLIENT_LENGTH] if client else None,
            created_at=at,
            last_used_at=at,
            expires_at=at + lifetime,
        )
        session.record(SessionOpened(session_id=id, user_id=user_id, at=at))
        return session, token

    def renew(
        self, token: RefreshToken, *, lifetime: timedelta, at: datetime
    ) -> RefreshToken | None:
        """The next token for the newest one; None, and the end of the session, for any other."""
        if not self.is_open(at=at):
            return None
        if not compare_digest(self.token_hash, token.hash):
            self.end(EndReason.TOKEN_REUSED, at=at)
            return None
        following = _new_token(SessionId(self.id))
        self.token_hash = following.hash
        self.last_used_at = at
        self.expires_at = at + lifetime
        return following

    def is_open(self, *, at: datetime) -> bool:
        return self.ended_at is None and at < self.expires_at

    def end(self, reason: EndReason, *, at: datetime) -> None:
        if self.ended_at is None:
            self.ended_at = at
            self.record(
                SessionEnded(session_id=self.id, user_id=self.user_id, reason=reason, at=at)
            )


def _new_token(id: SessionId) -> RefreshToken:
    return RefreshToken(id, urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="))
