from collections.abc import Callable
from dataclasses import dataclass

from application.identity.ports import IdentityWork
from application.identity.registration import Registration
from domain.identity.user import Role, User


@dataclass(frozen=True, slots=True)
class Administration:
    """What is done to users by somebody at the machine itself."""

    begin: Callable[[], IdentityWork]
    registration: Registration

    async def create_admin(self, *, username: str, email: str, password: str) -> tuple[User, bool]:
        """
        The administrator of this name, and whether there was none before.

        Who is there already stays as they are, password and role included.
        """
        async with self.begin() as work:
            known = await work.users.by_login(username)
        if known is not None:
            return known, False
        user = await self.registration.register(
            username=username, email=email, password=password, role=Role.ADMIN
        )
        return user, True
