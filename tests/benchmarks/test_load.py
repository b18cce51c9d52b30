import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.benchmarks.load import Ask, Load, get, keyed, post, put, read_answer

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"id":"a"}'

Respond = Callable[[bytes], bytes]


@asynccontextmanager
async def answering(respond: Respond) -> AsyncIterator[int]:
    """A server that answers each request so; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                _, _, length = head.lower().partition(b"content-length:")
                body = await reader.readexactly(int(length.split(b"\r")[0])) if length else b""
                answer = respond(head + body)
                writer.write(answer)
                if not answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        writer.close()

    async with asyncio.TaskGroup() as serving:
        server = await asyncio.start_server(
            lambda *streams: serving.create_task(serve(*streams)), "127.0.0.1", 0
        )
        async with server:
            yield server.sockets[0].getsockname()[1]
    await asyncio.sleep(0)  # for what was closed to be gone


def asking(*asks: Ask, port: int, clients: int = 2) -> Load:
    return Load(port, clients, 0.05, asks, "test")


async def test_each_client_asks_again_as_soon_as_it_has_been_answered() -> None:
    asked: list[bytes] = []

    def respond(request: bytes) -> bytes:
        asked.append(request)
        return OK

    async with answering(respond) as port:
        answered = await put(asking(Ask(get("/a")), Ask(get("/b", "secret")), port=port))

    assert not answered.complaints
    assert answered.answers == len(answered.times) == len(asked) > 4
    assert answered.seconds >= 0.05
    assert answered.rate == answered.answers / answered.seconds
    assert {*asked} == {
        b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n\r\n",
    }


async def test_each_order_has_a_key_of_its_own() -> None:
    keys: list[bytes] = []

    def respond(request: bytes) -> bytes:
        keys.append(request.partition(b"Idempotency-Key: ")[2].partition(b"\r\n")[0])
        return OK

    async with answering(respond) as port:
        order = Ask(post("/v1/orders", {"items": []}, "secret"), is_keyed=True)
        answered = await put(asking(order, port=port))

    assert answered.answers == len(keys) == len({*keys})
    assert keys[0] == b"test-0"


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (OK.replace(b"200", b"500"), "500 instead of 200"),
        (OK.replace(b'"a"', b'"b"'), "is not there 1 times"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "unknown length"),
        (b"", "connection was lost"),
    ],
)
async def test_a_wrong_answer_is_complained_of(answer: bytes, complaint: str) -> None:
    async with answering(lambda _: answer) as port:
        answered = await put(asking(Ask(get("/a"), holds=[(b'"id":"a"', 1)]), port=port))

    assert complaint in answered.complaints[0]


async def test_an_answer_that_does_not_come_is_complained_of() -> None:
    async with answering(lambda _: OK[:-1]) as port:
        load = asking(Ask(get("/a")), port=port)
        answered = await put(replace(load, patience=0.05))

    assert answered.complaints == ["no answer within 0.05 s"]


@pytest.mark.parametrize(
    ("body", "is_right"),
    [
        (b'{"id":"a","items":[{"of":1},{"of":1}]}', True),
        (b'{"id":"b","items":[{"of":1},{"of":1}]}', False),
        (b'{"id":"a","items":[{"of":1},{"of":2}]}', False),
        (b'{"id":"a"}', False),
        (b'{"id":"a","items":[{}]}', False),
        (b"[]", False),
        (b"nonsense", False),
    ],
)
def test_what_is_parsed_must_have_the_members_that_were_asked_for(
    body: bytes, is_right: bool
) -> None:
    ask = Ask(get("/a"), same={"id": "a"}, each={"of": 1})

    assert (ask.wrong(200, body, parse=True) is None) is is_right
    assert ask.wrong(200, body, parse=False) is None


def test_an_answer_may_come_in_pieces_and_together_with_the_next() -> None:
    received = bytearray()
    for piece in (OK[:20], OK[20:45]):
        received += piece
        assert read_answer(received) is None
    received += OK[45:] + OK[:5]

    assert read_answer(received) == (200, b'{"id":"a"}')
    assert received == OK[:5]


def test_a_key_comes_after_the_first_line() -> None:
    assert keyed(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n{}", "k-1") == (
        b"POST / HTTP/1.1\r\nIdempotency-Key: k-1\r\nHost: a\r\n\r\n{}"
    )
