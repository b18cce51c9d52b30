from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import pytest

from application.identity.actor import Actor
from application.identity.administration import Administration
from application.identity.housekeeping import Housekeeping
from application.identity.profile import Profile
from application.identity.registration import Registration
from application.identity.signing_in import Grant, InvalidCredentials, SigningIn
from domain.identity.session import RefreshToken, Session
from domain.identity.user import Role, User
from tests.builders import PASSWORD, Hands, PlainHasher, PlainTokens, a_user, actor_of
from tests.unit.shop import Shop

SESSION_LIFETIME: Final = timedelta(days=30)
WRONG: Final = "Wrong horse 9"


@dataclass(slots=True)
class Desk:
    """Where users sign in and are looked after, by a clock that is moved by hand."""

    shop: Shop
    clock: Hands = field(default_factory=Hands)
    hasher: PlainHasher = field(default_factory=PlainHasher)
    tokens: PlainTokens = field(default_factory=PlainTokens)

    @property
    def signing_in(self) -> SigningIn:
        return SigningIn(
            self.shop.begin,
            self.shop.users,
            self.hasher,
            self.tokens,
            SESSION_LIFETIME,
            self.clock,
        )

    @property
    def registration(self) -> Registration:
        return Registration(self.shop.begin, self.hasher, self.clock)

    @property
    def administration(self) -> Administration:
        return Administration(
            self.shop.begin, self.shop.users, self.registration, self.hasher, self.clock
        )

    @property
    def profile(self) -> Profile:
        return Profile(
            self.shop.begin,
            self.shop.users,
            self.shop.sessions(),
            self.signing_in,
            self.hasher,
            self.clock,
        )

    @property
    def housekeeping(self) -> Housekeeping:
        return Housekeeping(self.shop.begin, self.clock)

    async def user(
        self, username: str = "ada", *, role: Role = Role.CUSTOMER, is_active: bool = True
    ) -> User:
        """Somebody who is registered already."""
        user = a_user(username=username, role=role, is_active=is_active, at=self.clock())
        await self.shop.keep(user)
        return user

    async def sign_in(
        self,
        login: str = "ada",
        password: str = PASSWORD,
        *,
        client: str | None = None,
        address: str | None = None,
    ) -> Grant:
        return await self.signing_in.with_password(login, password, client=client, address=address)

    async def guess(self, login: str = "ada", *, address: str | None = None) -> None:
        """Try a wrong password, whose hash is compared and does not fit."""
        before = len(self.hasher.asked)
        with pytest.raises(InvalidCredentials):
            await self.sign_in(login, WRONG, address=address)
        assert len(self.hasher.asked) == before + 1

    def session_of(self, grant: Grant) -> Session:
        """As it is stored now."""
        token = RefreshToken.parse(grant.refresh_token)
        assert token is not None
        session = self.shop.database.get(Session, token.session_id)
        assert session is not None
        return session

    def session_actor(self, user: User, grant: Grant) -> Actor:
        """The user, asking with the access token of the grant."""
        token = self.tokens.holder(grant.access_token)
        assert token is not None
        return Actor(actor_of(user).id, user.role, token.session_id)
