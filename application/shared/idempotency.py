from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.shared.errors import Conflict, RuleBroken


class KeyReused(RuleBroken):
    code = "idempotency-key-reused"

    def __init__(self) -> None:
        super().__init__("this idempotency key was used for another request")


class KeyInUse(Conflict):
    code = "idempotency-key-in-use"

    def __init__(self) -> None:
        super().__init__("a request with this idempotency key is still running")


@dataclass(frozen=True, slots=True, order=True)
class RequestKey:
    """An idempotency key, which belongs to its caller and to one operation."""

    caller_id: UUID
    method: str
    path: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered to the request of this hash, to the byte."""

    request_hash: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class IdempotencyKeys(Protocol):
    """The keys of requests that had an effect, stored with that effect in one transaction."""

    async def claim_all(
        self, keys: Iterable[RequestKey], *, at: datetime
    ) -> Mapping[RequestKey, Answer]:
        """
        Take those that nobody used since they expired, and give the answers that the others got.

        Waits for other units of work that hold one; KeyInUse when that takes too long.
        """

    async def claim(self, key: RequestKey, *, at: datetime) -> Answer | None:
        """The same of one."""
        return (await self.claim_all([key], at=at)).get(key)

    async def keep_all(self, answers: Mapping[RequestKey, Answer], *, until: datetime) -> None:
        """Store the answers with their keys, which have been claimed."""

    async def keep(self, key: RequestKey, answer: Answer, *, until: datetime) -> None:
        """The same of one."""
        await self.keep_all({key: answer}, until=until)

    async def purge(self, *, at: datetime, most: int) -> int:
        """Forget keys that have expired, at most so many, and tell how many; waits for nobody."""
