import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from application.identity.actor import Actor, Unauthenticated
from application.identity.ports import AccessTokens, IdentityWork, PasswordHasher
from application.identity.queries import UserDetails, UserQueries
from application.shared.clock import Clock


class InvalidCredentials(Unauthenticated):
    """Says the same of an unknown user, a wrong password and a deactivated user."""

    code = "invalid-credentials"


@dataclass(frozen=True, slots=True)
class SigningIn:
    """From a password to a token, and from a token to whoever holds it."""

    begin: Callable[[], IdentityWork]
    users: UserQueries
    hasher: PasswordHasher
    tokens: AccessTokens
    clock: Clock

    async def with_password(self, login: str, password: str) -> str:
        """An access token for the user of this username or email, or InvalidCredentials."""
        known = await self.users.credentials(login)
        # No unit of work is open while the password is hashed, which takes its time.
        fits = await self.hasher.verify(
            unicodedata.normalize("NFC", password), known.password_hash if known else None
        )
        if known is None or not fits or not known.is_active:
            raise InvalidCredentials
        async with self.begin() as work:
            user = await work.users.get(known.id, lock=True)
            user.signed_in(at=self.clock())
            await work.commit()
        return self.tokens.issue(known.id)

    async def holder(self, token: str) -> UserDetails:
        """Whom this token belongs to, or Unauthenticated."""
        id = self.tokens.holder(token)
        user = await self.users.find(id) if id else None
        if user is None or not user.is_active:
            raise Unauthenticated
        return user

    async def actor(self, token: str) -> Actor:
        user = await self.holder(token)
        return Actor(user.id, user.role)
