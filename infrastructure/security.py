import asyncio
import ctypes
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Final, TypeVar
from uuid import UUID, uuid4

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from application.identity.ports import Holder
from application.shared.clock import Clock
from application.shared.errors import Overloaded
from domain.identity.session import SessionId
from domain.identity.user import UserId

T = TypeVar("T")

# What OWASP's Password Storage Cheat Sheet recommends for argon2id.
_ARGON2ID: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# With which no password agrees, after as much work as for any other.
_NOBODYS_HASH: Final = (
    f"$argon2id$v=19$m={_ARGON2ID.memory_cost},t={_ARGON2ID.time_cost},p={_ARGON2ID.parallelism}"
    f"${'A' * 22}${'A' * 43}"
)
_WAITING_PER_THREAD: Final = 50
_M_MMAP_THRESHOLD: Final = -3  # of mallopt(3)
_NICENESS: Final = 10
_SKEW: Final = 5  # seconds by which the clocks of two servers may differ


class Argon2Hasher:
    """
    argon2id in threads of its own, so that nobody waits for somebody else's sign-in.

    As many at once as there are threads; Overloaded when too many wait already.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(
            threads, thread_name_prefix="argon2", initializer=_give_way
        )
        self._room = threads * (1 + _WAITING_PER_THREAD)
        # What a hash takes goes back to the system, not into a store of 19 MiB for each thread.
        with suppress(AttributeError, OSError):  # only glibc keeps one
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)

    async def hash(self, password: str) -> str:
        return await self._run(_ARGON2ID.hash, password)

    async def verify(self, password: str, hash: str | None) -> bool:
        # Who has no password is compared with nobody's, too, to take as long as everybody.
        usable = hash if hash and hash.startswith("$argon2") else _NOBODYS_HASH
        return await self._run(_verify, usable, password) and usable is hash

    def is_outdated(self, hash: str) -> bool:
        return _ARGON2ID.check_needs_rehash(hash)

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


def _give_way() -> None:
    """Let the event loop have the processor first; Linux alone gives each thread a niceness."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _verify(hash: str, password: str) -> bool:
    try:
        return _ARGON2ID.verify(hash, password)
    except (VerificationError, InvalidHashError):
        return False


class JwtAccessTokens:
    """
    Access tokens as JWTs of RFC 9068, signed with HMAC-SHA256 and nothing else.

    `secrets`: the first one signs; the others are older, and what they signed still counts.
    """

    _ALGORITHM: Final = "HS256"
    _TYPE: Final = "at+jwt"
    _PARTY: Final = "tradepost"  # issuer and audience: the service itself
    _NEEDED: Final = ("exp", "iat", "sub", "sid", "aud", "iss", "jti")

    def __init__(self, secrets: Sequence[str], lifetime: timedelta, clock: Clock) -> None:
        self.lifetime = int(lifetime.total_seconds())
        self._secrets = secrets
        self._clock = clock

    def issue(self, holder: Holder) -> str:
        now = int(self._clock().timestamp())
        claims = {
            "iss": self._PARTY,
            "aud": self._PARTY,
            "sub": str(holder.user_id),
            "sid": str(holder.session_id),
            "iat": now,
            "exp": now + self.lifetime,
            "jti": uuid4().hex,
        }
        return jwt.encode(
            claims, self._secrets[0], algorithm=self._ALGORITHM, headers={"typ": self._TYPE}
        )

    def holder(self, token: str) -> Holder | None:
        for secret in self._secrets:
            with suppress(jwt.InvalidTokenError, ValueError):
                return self._opened(token, secret)
        return None

    def _opened(self, token: str, secret: str) -> Holder:
        proof = jwt.decode_complete(
            token,
            secret,
            algorithms=[self._ALGORITHM],
            audience=self._PARTY,
            issuer=self._PARTY,
            options={"require": [*self._NEEDED], "verify_exp": False, "verify_iat": False},
        )
        claims = proof["payload"]
        if proof["header"].get("typ") != self._TYPE:
            raise ValueError("not an access token")
        # By our clock rather than the library's, so that time can be made to pass in a test.
        now = self._clock().timestamp()
        if not int(claims["iat"]) - _SKEW <= now < int(claims["exp"]):
            raise ValueError("not its time")
        return Holder(UserId(UUID(str(claims["sub"]))), SessionId(UUID(str(claims["sid"]))))
