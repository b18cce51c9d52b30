from asyncio import TimerHandle, Transport
from typing import Any, Final

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_UNSENT: Final = 64 * 1024 * 1024  # bytes of answers that wait for their clients


class TimedConnection(HttpToolsProtocol):
    """
    A connection that is cut when its client keeps it waiting for more than `patience` seconds: for
    the head of a request, or for room to send more of an answer.

    uvicorn itself only times how long there is no request at all; a body is timed by Admission.
    """

    def __init__(self, *, patience: float, **options: Any) -> None:
        super().__init__(**options)
        self._patience = patience
        self._deadline: TimerHandle | None = None
        self._answering: RequestResponseCycle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()
        others = (one for one in self.connections if isinstance(one, TimedConnection))
        if sum(one.transport.get_write_buffer_size() for one in others) > MOST_UNSENT:
            self.transport.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching()  # it has got on, and may take as long again
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch()

    def shutdown(self) -> None:
        super().shutdown()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_watching()
        # uvicorn only tells the last of those that came one after the other.
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _watch(self) -> None:
        if not self._keeps_waiting():
            self._stop_watching()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self._patience, self.transport.abort)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _keeps_waiting(self) -> bool:
        if self.flow.write_paused or self.transport.is_closing():
            return True
        # Whatever its type says, there is none before the first request.
        is_asked = self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]
        return not is_asked and self.timeout_keep_alive_task is None
