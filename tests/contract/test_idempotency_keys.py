from asyncio import create_task, gather
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import pytest

from application.shared.errors import Busy
from application.shared.idempotency import Answer, KeyInUse, RequestKey
from tests.builders import BY_HAND, NOON, a_product
from tests.contract.backends import Backend
from tests.contract.steps import Mishap, failing, product_in, waits

TOMORROW: Final = NOON + timedelta(days=1)
ANSWER: Final = Answer(
    request_hash=bytes(range(32)),
    status=201,
    headers=(("content-type", "application/json"), ("location", "/v1/orders/ä"), ("x", "")),
    body=b'{"a":\x00"\xff"}',
)


def a_key() -> RequestKey:
    return RequestKey(uuid4(), "POST", "/v1/orders", "k" * 255)


async def claim(backend: Backend, key: RequestKey, *, at: datetime = NOON) -> Answer | None:
    """Claim the key and keep an answer with it, if it is still to be had."""
    async with backend.begin() as work:
        answer = await work.keys.claim(key, at=at)
        if answer is None:
            await work.keys.keep(key, ANSWER, until=at + timedelta(days=1))
            await work.commit()
    return answer


async def test_the_second_request_gets_the_answer_of_the_first_to_the_byte(
    backend: Backend,
) -> None:
    key = a_key()
    assert await claim(backend, key) is None
    assert await claim(backend, key) == ANSWER
    assert await claim(backend, key) == ANSWER


async def test_a_key_belongs_to_its_caller_and_to_one_operation(backend: Backend) -> None:
    key = a_key()
    assert await claim(backend, key) is None
    for other in (
        replace(key, caller_id=uuid4()),
        replace(key, method="PUT"),
        replace(key, path="/v1/users"),
        replace(key, key="k" * 254),
        replace(key, key="K" * 255),
    ):
        assert await claim(backend, other) is None


async def test_an_answer_without_headers_and_body_comes_back_as_it_was(backend: Backend) -> None:
    key, empty = a_key(), Answer(request_hash=b"", status=204, headers=(), body=b"")
    async with backend.begin() as work:
        await work.keys.claim(key, at=NOON)
        await work.keys.keep(key, empty, until=TOMORROW)
        await work.commit()
    assert await claim(backend, key) == empty


async def test_a_key_and_the_effect_of_its_request_are_kept_together(backend: Backend) -> None:
    key, mug = a_key(), a_product()
    async with backend.begin() as work:
        await work.keys.claim(key, at=NOON)
        work.products.add(mug)
        await work.keys.keep(key, ANSWER, until=TOMORROW)

    assert await backend.stock(mug) == []
    assert await claim(backend, key) is None


async def test_whoever_comes_second_waits_for_the_answer_of_the_first(backend: Backend) -> None:
    key = a_key()
    async with backend.begin() as work:
        assert await work.keys.claim(key, at=NOON) is None
        second = create_task(claim(backend, key))
        assert await waits(second)
        await work.keys.keep(key, ANSWER, until=TOMORROW)
        assert await waits(second)
        await work.commit()
    assert await second == ANSWER


async def test_whoever_comes_second_takes_over_if_the_first_one_gives_up(
    backend: Backend,
) -> None:
    key = a_key()
    async with backend.begin() as work:
        await work.keys.claim(key, at=NOON)
        await work.keys.keep(key, ANSWER, until=TOMORROW)
        second = create_task(claim(backend, key))
        assert await waits(second)
    assert await second is None


async def test_whoever_waits_too_long_is_told_that_the_key_is_in_use(impatient: Backend) -> None:
    key = a_key()
    async with impatient.begin() as work:
        await work.keys.claim(key, at=NOON)
        # Where one writes at a time, it cannot be known that the other one has the same key.
        with pytest.raises(KeyInUse if impatient.writers_overlap else Busy):
            await claim(impatient, key)
        await work.commit()


async def test_nobody_waits_for_another_key(overlapping: Backend) -> None:
    async with overlapping.begin() as work:
        await work.keys.claim(a_key(), at=NOON)
        assert await claim(overlapping, a_key()) is None


async def test_a_key_is_free_again_at_the_moment_it_expires(backend: Backend) -> None:
    key = a_key()
    assert await claim(backend, key) is None
    assert await claim(backend, key, at=TOMORROW - timedelta(microseconds=1)) == ANSWER
    assert await claim(backend, key, at=TOMORROW) is None
    assert await claim(backend, key, at=TOMORROW) == ANSWER


async def test_an_expired_key_can_be_claimed_by_one_at_a_time(backend: Backend) -> None:
    key = a_key()
    assert await claim(backend, key) is None

    async with backend.begin() as work:
        assert await work.keys.claim(key, at=TOMORROW) is None
        second = create_task(claim(backend, key, at=TOMORROW))
        assert await waits(second)
        await work.keys.keep(key, ANSWER, until=TOMORROW + timedelta(days=1))
        await work.commit()
    assert await second == ANSWER


async def test_an_expired_key_keeps_its_old_answer_if_nobody_gave_a_new_one(
    backend: Backend,
) -> None:
    key = a_key()
    assert await claim(backend, key) is None
    async with backend.begin() as work:
        assert await work.keys.claim(key, at=TOMORROW) is None
    assert await claim(backend, key) == ANSWER


async def test_a_key_that_was_claimed_and_not_answered_can_be_claimed_again(
    backend: Backend,
) -> None:
    key = a_key()
    async with backend.begin() as work:
        assert await work.keys.claim(key, at=NOON) is None
        assert await work.keys.claim(key, at=NOON) is None
        await work.commit()
    assert await claim(backend, key) is None


async def test_an_answer_is_there_for_whoever_gave_it(backend: Backend) -> None:
    key = a_key()
    async with backend.begin() as work:
        await work.keys.claim(key, at=NOON)
        await work.keys.keep(key, ANSWER, until=TOMORROW)
        assert await work.keys.claim(key, at=NOON) == ANSWER


async def test_an_answer_dies_with_the_savepoint_it_was_given_in(backend: Backend) -> None:
    key, other = a_key(), a_key()
    async with backend.begin() as work:
        await work.keys.claim(key, at=NOON)
        async with failing(work.savepoint()):
            await work.keys.keep(key, ANSWER, until=TOMORROW)
            await work.keys.claim(other, at=NOON)
            await work.keys.keep(other, ANSWER, until=TOMORROW)
        assert await work.keys.claim(key, at=NOON) is None
        assert await work.keys.claim(other, at=NOON) is None


async def test_of_many_copies_of_one_request_one_has_an_effect(backend: Backend) -> None:
    key, mug = a_key(), a_product(stock=20)
    await backend.keep(mug)

    async def order_one() -> Answer | None:
        async with backend.begin() as work:
            answer = await work.keys.claim(key, at=NOON)
            if answer is None:
                (await product_in(work, mug, lock=True)).take(1, BY_HAND, at=NOON)
                await work.keys.keep(key, ANSWER, until=TOMORROW)
                await work.commit()
        return answer

    answers = await gather(*(order_one() for _ in range(15)))
    assert answers.count(None) == 1
    assert answers.count(ANSWER) == 14
    assert await backend.stock(mug) == [19]


async def purge(backend: Backend, *, at: datetime, most: int = 10) -> int:
    async with backend.begin() as work:
        gone = await work.keys.purge(at=at, most=most)
        await work.commit()
    return gone


async def test_expired_keys_are_purged_and_others_stay(backend: Backend) -> None:
    old, older, fresh = a_key(), a_key(), a_key()
    await claim(backend, older, at=NOON - timedelta(days=3))
    await claim(backend, old, at=NOON - timedelta(days=1))
    await claim(backend, fresh, at=NOON)

    assert await purge(backend, at=NOON, most=1) == 1
    assert await purge(backend, at=NOON) == 1
    assert await purge(backend, at=NOON) == 0
    assert await claim(backend, fresh) == ANSWER
    assert await purge(backend, at=TOMORROW) == 1


async def test_a_purge_that_is_not_committed_purges_nothing(backend: Backend) -> None:
    key = a_key()
    await claim(backend, key)
    async with backend.begin() as work:
        assert await work.keys.purge(at=TOMORROW, most=10) == 1
        assert await work.keys.purge(at=TOMORROW, most=10) == 0
    assert await claim(backend, key, at=NOON + timedelta(hours=23)) == ANSWER
    assert await purge(backend, at=TOMORROW) == 1


async def test_a_purge_leaves_alone_what_is_being_taken_over(backend: Backend) -> None:
    key = a_key()
    await claim(backend, key)
    if not backend.writers_overlap:
        return
    async with backend.begin() as work:
        assert await work.keys.claim(key, at=TOMORROW) is None
        assert await purge(backend, at=TOMORROW) == 0
        await work.keys.keep(key, ANSWER, until=TOMORROW + timedelta(days=1))
        await work.commit()
    assert await claim(backend, key, at=TOMORROW) == ANSWER


async def test_a_purge_whose_commit_fails_purges_nothing(backend: Backend) -> None:
    key = a_key()
    await claim(backend, key)
    backend.fail_next_commit(Mishap())
    with pytest.raises(Mishap):
        await purge(backend, at=TOMORROW)
    assert await claim(backend, key) == ANSWER
