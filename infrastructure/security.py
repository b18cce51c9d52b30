import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final, TypeVar
from uuid import UUID, uuid4

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from application.shared.clock import Clock
from application.shared.errors import Overloaded
from domain.identity.user import UserId

T = TypeVar("T")

# What OWASP's Password Storage Cheat Sheet recommends for argon2id.
_ARGON2ID: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_NOBODYS_HASH: Final = _ARGON2ID.hash("nobody's password")
_WAITING_PER_THREAD: Final = 50


class Argon2Hasher:
    """
    argon2id in threads of its own, so that nobody waits for somebody else's sign-in.

    As many at once as there are threads; Overloaded when too many wait already.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._room = threads * (1 + _WAITING_PER_THREAD)

    async def hash(self, password: str) -> str:
        return await self._run(_ARGON2ID.hash, password)

    async def verify(self, password: str, hash: str | None) -> bool:
        fits = await self._run(_verify, hash or _NOBODYS_HASH, password)
        return fits and hash is not None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *arguments: str) -> T:
        if self._room == 0:
            raise Overloaded("too many passwords wait to be checked")
        self._room -= 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, work, *arguments)
        finally:
            self._room += 1


def _verify(hash: str, password: str) -> bool:
    try:
        return _ARGON2ID.verify(hash, password)
    except (VerificationError, InvalidHashError):
        return False


class JwtAccessTokens:
    """Access tokens as JWTs of RFC 9068, signed with HMAC-SHA256 and nothing else."""

    _ALGORITHM: Final = "HS256"
    _TYPE: Final = "at+jwt"
    _PARTY: Final = "tradepost"  # issuer and audience: the service itself

    def __init__(self, secret: str, lifetime: timedelta, clock: Clock) -> None:
        self.lifetime = int(lifetime.total_seconds())
        self._secret = secret
        self._clock = clock

    def issue(self, id: UserId) -> str:
        now = int(self._clock().timestamp())
        claims = {
            "iss": self._PARTY,
            "aud": self._PARTY,
            "sub": str(id),
            "iat": now,
            "exp": now + self.lifetime,
            "jti": uuid4().hex,
        }
        return jwt.encode(
            claims, self._secret, algorithm=self._ALGORITHM, headers={"typ": self._TYPE}
        )

    def holder(self, token: str) -> UserId | None:
        try:
            proof = jwt.decode_complete(
                token,
                self._secret,
                algorithms=[self._ALGORITHM],
                audience=self._PARTY,
                issuer=self._PARTY,
                options={"require": ["exp", "iat", "sub", "aud", "iss", "jti"]},
            )
            if proof["header"].get("typ") != self._TYPE:
                return None
            return UserId(UUID(proof["payload"]["sub"]))
        except (jwt.InvalidTokenError, ValueError):
            return None
