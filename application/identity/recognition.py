import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from application.identity.actor import Actor, Unauthenticated
from application.identity.ports import AccessTokens
from application.identity.queries import SessionQueries
from application.shared.clock import Clock
from application.shared.outbox import OutboxEntry
from domain.identity.session import SessionId

BELIEVED: Final = 1.0  # seconds
MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Recognition:
    """
    Who holds an access token.

    What is known of a session is believed for a second, so that not each request asks the database.
    What happens to a user or session in this process is known at once; in another, a second later.
    """

    tokens: AccessTokens
    sessions: Callable[[], SessionQueries]
    clock: Clock
    monotonic: Callable[[], float] = time.monotonic
    _seen: dict[SessionId, tuple[float, Actor | None]] = field(default_factory=dict)
    _asking: dict[SessionId, asyncio.Task[Actor | None]] = field(default_factory=dict)

    async def actor(self, token: str) -> Actor:
        """Who this is, or Unauthenticated."""
        holder = self.tokens.holder(token)
        if holder is None:
            raise Unauthenticated
        until, actor = self._seen.get(holder.session_id, (0.0, None))
        if self.monotonic() >= until:
            actor = await self._look_up(holder.session_id)
        if actor is None or actor.id != holder.user_id:
            raise Unauthenticated
        return actor

    def heard(self, entries: Sequence[OutboxEntry]) -> None:
        """Forget everybody to whom something has happened."""
        touched = {
            entry.payload["user_id"]
            for entry in entries
            if entry.type.startswith(("user.", "session."))
        }
        if touched:
            self._asking.clear()
            for id, (_, actor) in [*self._seen.items()]:
                if actor is None or str(actor.id) in touched:
                    del self._seen[id]

    async def _look_up(self, id: SessionId) -> Actor | None:
        """One question answers all who come while it is asked."""
        asking = self._asking.get(id)
        if asking is None:
            asking = self._asking[id] = asyncio.create_task(self._ask(id))
            asking.add_done_callback(partial(self._answered, id))
        return await asyncio.shield(asking)

    def _answered(self, id: SessionId, asking: asyncio.Task[Actor | None]) -> None:
        if self._asking.get(id) is asking:
            del self._asking[id]
        if not asking.cancelled():
            asking.exception()  # for those who asked, if they are still there

    async def _ask(self, id: SessionId) -> Actor | None:
        standing = await self.sessions().standing(id, at=self.clock())
        actor = Actor(standing.user_id, standing.role, id) if standing else None
        # Believed only if nothing has happened before the answer is here.
        if self._asking.get(id) is asyncio.current_task():
            if len(self._seen) >= MOST:
                self._seen.clear()
            self._seen[id] = self.monotonic() + BELIEVED, actor
        return actor
