from collections.abc import Callable, Container
from dataclasses import dataclass

from application.identity.actor import Actor
from application.identity.ports import IdentityWork, PasswordHasher
from application.identity.queries import UserDetails, UserFilter, UserQueries
from application.identity.registration import NewUser, Registration
from application.identity.signing_in import end_sessions
from application.shared.clock import Clock
from application.shared.errors import unchanged_since
from application.shared.pages import Page, PageRequest
from domain.identity import credentials
from domain.identity.session import EndReason
from domain.identity.user import (
    LastAdmin,
    Permission,
    Role,
    User,
    UserChanges,
    UserId,
    UserNotFound,
)


@dataclass(frozen=True, slots=True)
class Administration:
    """What staff, administrators and the operator do with users."""

    begin: Callable[[], IdentityWork]
    users: UserQueries
    registration: Registration
    hasher: PasswordHasher
    clock: Clock

    async def user(self, actor: Actor, id: UserId) -> UserDetails:
        actor.require(Permission.MANAGE_USERS)
        found = await self.users.find(id)
        if found is None:
            raise UserNotFound
        return found

    async def list(
        self, actor: Actor, request: PageRequest, wanted: UserFilter
    ) -> Page[UserDetails]:
        actor.require(Permission.MANAGE_USERS)
        return await self.users.page(request, wanted)

    async def revise(
        self,
        actor: Actor,
        id: UserId,
        changes: UserChanges,
        *,
        role: Role | None = None,
        expected: Container[int] | None = None,
    ) -> User:
        """Change what is named. Another role is for administrators to give."""
        actor.require(Permission.MANAGE_USERS)
        async with self.begin() as work:
            user = await self._managed(work, actor, id, demoting=role is not None)
            unchanged_since(expected, user)
            user.revise(changes, at=self.clock())
            if role is not None and role is not user.role:
                await self._promote(work, actor, user, role)
            await work.commit()
        return user

    async def activate(
        self, actor: Actor, id: UserId, *, expected: Container[int] | None = None
    ) -> User:
        actor.require(Permission.MANAGE_USERS)
        async with self.begin() as work:
            user = await self._managed(work, actor, id)
            unchanged_since(expected, user)
            user.activate(at=self.clock())
            await work.commit()
        return user

    async def deactivate(
        self, actor: Actor, id: UserId, *, expected: Container[int] | None = None
    ) -> User:
        """Ends every session of the user; they cannot sign in until they are activated again."""
        actor.require(Permission.MANAGE_USERS)
        async with self.begin() as work:
            user = await self._managed(work, actor, id, demoting=True)
            unchanged_since(expected, user)
            await self._keep_an_admin(work, user)
            user.deactivate(at=self.clock())
            await end_sessions(work, id, EndReason.DEACTIVATED, at=self.clock())
            await work.commit()
        return user

    async def delete(
        self, actor: Actor, id: UserId, *, expected: Container[int] | None = None
    ) -> None:
        """InUse where an order, payment, transfer or post refers to the user: history stays."""
        actor.require(Permission.DELETE_USERS)
        async with self.begin() as work:
            user = await self._managed(work, actor, id, demoting=True)
            unchanged_since(expected, user)
            await self._keep_an_admin(work, user)
            user.delete(at=self.clock())
            await work.users.remove(user)
            await work.commit()

    async def create_admin(
        self, actor: Actor, *, username: str, email: str, password: str
    ) -> tuple[User, bool]:
        """
        The administrator of this name, and whether there was none before.

        Who is there already stays as they are, password and role included.
        """
        actor.require(Permission.CHANGE_ROLES)
        async with self.begin() as work:
            known = await work.users.by_login(username)
        if known is not None:
            return known, False
        new = NewUser(username=username, email=email, password=password, role=Role.ADMIN)
        return await self.registration.register(new), True

    async def set_password(self, actor: Actor, id: UserId, password: str) -> User:
        """Ends every session of the user."""
        actor.require(Permission.CHANGE_ROLES)
        password_hash = await self.hasher.hash(credentials.password(password))
        at = self.clock()
        async with self.begin() as work:
            user = await work.users.get(id, lock=True)
            user.change_password(password_hash, at=at)
            await end_sessions(work, UserId(user.id), EndReason.PASSWORD_CHANGED, at=at)
            await work.commit()
        return user

    async def id_of(self, actor: Actor, login: str) -> UserId:
        """Of whoever has this username or email address, or UserNotFound."""
        actor.require(Permission.MANAGE_USERS)
        known = await self.users.credentials(login)
        if known is None:
            raise UserNotFound
        return known.id

    async def _managed(
        self, work: IdentityWork, actor: Actor, id: UserId, *, demoting: bool = False
    ) -> User:
        """The user, locked; where one administrator less may be the result, with all of those."""
        if demoting:
            await work.users.active_admins()
        user = await work.users.get(id, lock=True)
        actor.require_rank_of(user.role)
        return user

    async def _promote(self, work: IdentityWork, actor: Actor, user: User, role: Role) -> None:
        actor.require(Permission.CHANGE_ROLES)
        await self._keep_an_admin(work, user)
        user.promote(role, at=self.clock())

    async def _keep_an_admin(self, work: IdentityWork, user: User) -> None:
        if user.role is not Role.ADMIN or not user.is_active:
            return
        if len(await work.users.active_admins()) == 1:
            raise LastAdmin
