from collections.abc import Callable
from dataclasses import dataclass

from application.identity.ports import IdentityWork, PasswordHasher
from application.shared.clock import Clock
from domain.identity import credentials
from domain.identity.user import Role, User


@dataclass(frozen=True, slots=True)
class Registration:
    """Becoming a user."""

    begin: Callable[[], IdentityWork]
    hasher: PasswordHasher
    clock: Clock

    async def register(
        self,
        *,
        username: str,
        email: str,
        password: str,
        full_name: str | None = None,
        role: Role = Role.CUSTOMER,
    ) -> User:
        """A new user, or UsernameTaken or EmailTaken."""
        password_hash = await self.hasher.hash(credentials.password(password))
        async with self.begin() as work:
            user = User.register(
                username=username,
                email=email,
                password_hash=password_hash,
                full_name=full_name,
                role=role,
                at=self.clock(),
            )
            work.users.add(user)
            await work.commit()
        return user
