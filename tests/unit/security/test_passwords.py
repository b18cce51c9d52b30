import asyncio
import re
from collections.abc import Iterator
from threading import Event

import pytest
from argon2 import PasswordHasher

from application.identity.registration import NO_PASSWORD
from application.shared.errors import Overloaded
from infrastructure import security
from infrastructure.security import Argon2Hasher
from tests.builders import PASSWORD

ENCODED = re.compile(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}")


@pytest.fixture
def hasher() -> Iterator[Argon2Hasher]:
    hasher = Argon2Hasher(threads=1)
    yield hasher
    hasher.close()


async def test_passwords_are_hashed_as_owasp_recommends(hasher: Argon2Hasher) -> None:
    hash = await hasher.hash(PASSWORD)
    assert ENCODED.fullmatch(hash), hash
    assert not hasher.is_outdated(hash)


async def test_two_users_of_one_password_have_two_hashes(hasher: Argon2Hasher) -> None:
    assert await hasher.hash(PASSWORD) != await hasher.hash(PASSWORD)


async def test_a_password_fits_its_own_hash_alone(hasher: Argon2Hasher) -> None:
    hash = await hasher.hash(PASSWORD)
    assert await hasher.verify(PASSWORD, hash)
    for other in (f"{PASSWORD} ", PASSWORD.lower(), "", hash):
        assert not await hasher.verify(other, hash)


@pytest.mark.parametrize(
    "hash", [None, "", NO_PASSWORD, PASSWORD, "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$AAAA$"]
)
@pytest.mark.parametrize("password", [PASSWORD, "", "nobody's password", NO_PASSWORD])
async def test_nothing_fits_where_there_is_no_password(
    hasher: Argon2Hasher, password: str, hash: str | None
) -> None:
    assert not await hasher.verify(password, hash)


async def test_nobodys_password_is_compared_as_thoroughly_as_anybodys(
    hasher: Argon2Hasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def verify(hash: str, password: str) -> bool:
        compared.append((hash.rpartition("$")[0].rpartition("$")[0], password))
        return False

    monkeypatch.setattr(security, "_verify", verify)
    for hash in (None, NO_PASSWORD, await hasher.hash("Another horse 9")):
        await hasher.verify(PASSWORD, hash)
    assert compared == [("$argon2id$v=19$m=19456,t=2,p=1", PASSWORD)] * 3


@pytest.mark.parametrize(
    ("time_cost", "memory_cost", "parallelism"), [(1, 19_456, 1), (2, 8_192, 1), (2, 19_456, 2)]
)
async def test_a_hash_by_other_parameters_is_outdated_and_still_fits(
    hasher: Argon2Hasher, time_cost: int, memory_cost: int, parallelism: int
) -> None:
    older = PasswordHasher(time_cost, memory_cost, parallelism).hash(PASSWORD)
    assert hasher.is_outdated(older)
    assert await hasher.verify(PASSWORD, older)
    assert not await hasher.verify("Wrong horse 9", older)


async def test_when_too_many_wait_the_next_is_turned_away(
    hasher: Argon2Hasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = Event()

    def verify(hash: str, password: str) -> bool:
        go_on.wait()
        return True

    monkeypatch.setattr(security, "_verify", verify)
    hash = "$argon2id$"
    waiting = [asyncio.create_task(hasher.verify(PASSWORD, hash)) for _ in range(51)]
    try:
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await hasher.verify(PASSWORD, hash)
        with pytest.raises(Overloaded):
            await hasher.hash(PASSWORD)
    finally:
        go_on.set()
    assert await asyncio.gather(*waiting) == [True] * 51
    assert await hasher.verify(PASSWORD, hash)


async def test_whoever_gives_up_leaves_room_for_others(
    hasher: Argon2Hasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = Event()

    def verify(hash: str, password: str) -> bool:
        go_on.wait()
        return True

    monkeypatch.setattr(security, "_verify", verify)
    waiting = [asyncio.create_task(hasher.verify(PASSWORD, "$argon2id$")) for _ in range(51)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    go_on.set()
    assert await hasher.verify(PASSWORD, "$argon2id$")


async def test_others_go_on_while_a_password_is_hashed(
    hasher: Argon2Hasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = Event()

    def verify(hash: str, password: str) -> bool:
        return go_on.wait(timeout=10)

    monkeypatch.setattr(security, "_verify", verify)
    verifying = asyncio.create_task(hasher.verify(PASSWORD, "$argon2id$"))
    for _ in range(10):
        await asyncio.sleep(0)
    go_on.set()  # nobody could, if the event loop were hashing
    assert await verifying
