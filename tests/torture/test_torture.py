"""A short torture of the real service; `make torture` is the long one."""

import random
from collections import Counter
from collections.abc import Sequence

import httpx
import pytest

from tests.torture.__main__ import main
from tests.torture.effects import KEYS, doubled, lost
from tests.torture.patience import Diary, Patience
from tests.turmoil.clients import MARK


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_whatever_is_killed_nothing_is_lost_nor_done_twice(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ["--clients", "8", "--seconds", "0", "--peace", "0.5"]
    ended = main(["--database", database, *short])
    told = capsys.readouterr().out
    assert ended == 0, told
    assert "servers killed" in told


class Service(httpx.AsyncBaseTransport):
    """Answers one request after the other, or loses the answer (None)."""

    def __init__(self, answers: Sequence[httpx.Response | None]) -> None:
        self._answers = iter(answers)
        self.keys: list[str | None] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers.get("Idempotency-Key"))
        answer = next(self._answers)
        if answer is None:
            raise httpx.ReadError("cut")
        return answer


def made(id: str = "o1", *, replayed: bool = False) -> httpx.Response:
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return httpx.Response(201, json={"id": id}, headers=headers)


def refused() -> httpx.Response:
    return httpx.Response(409, json={"code": "insufficient-stock"})


def shed() -> httpx.Response:
    return httpx.Response(503, json={"code": "unavailable"}, headers={"Retry-After": "0"})


async def order(service: Service, diary: Diary, *, key: str | None = "key") -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    patience = Patience(service, [1], diary, random.Random(1))
    async with httpx.AsyncClient(transport=patience) as http:
        return await http.post("http://127.0.0.1/v1/orders", headers=headers)


async def test_a_good_client_sends_again_under_the_same_key_until_it_is_answered() -> None:
    diary, service = Diary(), Service([None, shed(), made(replayed=True)])
    assert (await order(service, diary)).status_code == 201
    assert service.keys == ["key"] * 3
    assert diary.sent_again == {"ReadError": 1, "unavailable": 1}
    assert diary.found == 1


async def test_a_good_client_sends_nothing_again_that_has_no_key() -> None:
    service = Service([shed(), made()])
    assert (await order(service, Diary(), key=None)).status_code == 503
    assert service.keys == [None]


@pytest.mark.parametrize(
    ("first", "second", "is_lost"),
    [
        (made("o1"), made("o1", replayed=True), False),
        (made("o1"), made("o2"), True),
        (made("o1"), refused(), True),
        (made("o1"), httpx.Response(500), True),
        (refused(), refused(), False),
    ],
    ids=["the same order", "another order", "made, then refused", "a defect", "refused twice"],
)
async def test_an_answer_that_changes_is_lost(
    first: httpx.Response, second: httpx.Response, is_lost: bool
) -> None:
    diary, service = Diary(), Service([first, second])
    await order(service, diary)
    await order(service, diary)
    times = int(first.is_success)
    found = {where: Counter[str]() for where in KEYS} | {"orders": Counter(key=times)}
    assert lost(diary, found) == (["key"] if is_lost else [])
    assert doubled(diary, found) == []


@pytest.mark.parametrize(
    ("answer", "times", "is_lost", "is_doubled"),
    [
        (made(), 0, True, False),
        (made(), 1, False, False),
        (made(), 2, False, True),
        (refused(), 0, False, False),
        (refused(), 1, False, True),
    ],
    ids=["made and gone", "made", "made twice", "refused", "refused and made"],
)
async def test_each_key_has_the_effect_that_was_acknowledged(
    answer: httpx.Response, times: int, is_lost: bool, is_doubled: bool
) -> None:
    diary = Diary()
    await order(Service([answer]), diary)
    found = {where: Counter[str]() for where in KEYS} | {"orders": Counter(key=times)}
    assert lost(diary, found) == (["key"] if is_lost else [])
    assert doubled(diary, found) == (["key"] if is_doubled else [])


@pytest.mark.parametrize(("times", "is_doubled"), [(0, False), (1, False), (2, True)])
async def test_a_key_without_an_answer_has_one_effect_at_most(times: int, is_doubled: bool) -> None:
    diary = Diary(sent={"key": httpx.Request("POST", "http://shop/v1/orders")})
    found = {where: Counter[str]() for where in KEYS} | {"orders": Counter(key=times)}
    assert lost(diary, found) == []
    assert doubled(diary, found) == (["key"] if is_doubled else [])


def test_every_mark_is_looked_for() -> None:
    assert KEYS.keys() == MARK.keys()
