from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from application.identity.actor import Actor
from application.identity.ports import IdentityWork
from application.identity.signing_in import end_sessions
from application.shared.clock import Clock
from application.shared.errors import InUse
from domain.identity.session import EndReason
from domain.identity.user import Permission, UserId


@dataclass(frozen=True, slots=True)
class Cleared:
    """How many users were deleted, and how many had to be kept because something refers to them."""

    deleted: int
    kept: int


@dataclass(frozen=True, slots=True)
class Tidied:
    """How many rows are gone that were of no use any more."""

    sessions: int
    attempts: int


PURGED_AT_ONCE: Final = 1_000  # keys in one transaction, so that nobody waits long


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """Looking through what is kept for what is of no use any more."""

    begin: Callable[[], IdentityWork]
    clock: Clock

    async def deactivate_idle(self, actor: Actor, idle: timedelta) -> int:
        """Deactivate whoever has not signed in for so long, but no administrator; how many."""
        actor.require(Permission.MANAGE_USERS_IN_BULK)
        at = self.clock()
        async with self.begin() as work:
            users = await work.users.idle_since(at - idle)
            for user in users:
                user.deactivate(at=at)
                await end_sessions(work, UserId(user.id), EndReason.DEACTIVATED, at=at)
            await work.commit()
        return len(users)

    async def delete_deactivated(self, actor: Actor) -> Cleared:
        """Delete the deactivated users that nothing refers to."""
        actor.require(Permission.DELETE_USERS)
        deleted = kept = 0
        async with self.begin() as work:
            for user in await work.users.deactivated():
                try:
                    async with work.savepoint():
                        user.delete(at=self.clock())
                        await work.users.remove(user)
                    deleted += 1
                except InUse:
                    kept += 1
            await work.commit()
        return Cleared(deleted, kept)

    async def tidy(self, actor: Actor) -> Tidied:
        """Remove sessions that are over and attempts to sign in that nobody counts any more."""
        actor.require(Permission.DELETE_USERS)
        at = self.clock()
        async with self.begin() as work:
            attempts = await work.attempts.forget_old(at=at)
            sessions = await work.sessions.forget_all_expired(at=at)
            await work.commit()
        return Tidied(sessions, attempts)

    async def purge_keys(self, actor: Actor) -> int:
        """Forget the idempotency keys that have expired, and tell how many."""
        actor.require(Permission.DELETE_USERS)
        at, purged = self.clock(), 0
        while True:
            async with self.begin() as work:
                gone = await work.keys.purge(at=at, most=PURGED_AT_ONCE)
                await work.commit()
            purged += gone
            if gone < PURGED_AT_ONCE:
                return purged
