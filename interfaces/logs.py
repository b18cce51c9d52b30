import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from interfaces.settings import LogFormat, Settings

ACCESS: Final = "interfaces.http.access"  # the logger of requests

# What an error of a driver says of itself besides its words: none of it was sent by a customer.
_FACTS: Final = ("sqlstate", "schema_name", "table_name", "column_name", "constraint_name")


def configure(settings: Settings) -> None:
    """One line per event on standard error, as JSON or to be read; libraries' lines included."""
    lines = logging.StreamHandler()
    lines.setFormatter(Lines(settings.log_format))
    # Is on no line, and takes longer to find out than the line itself.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers = [lines]
    root.setLevel(settings.log_level.upper())
    # What it does in a migration is told by the migration; the rest is of no use to anybody.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # At its finest it prints what customers have sent.
    logging.getLogger("aiosqlite").setLevel(logging.INFO)


class Lines(structlog.stdlib.ProcessorFormatter):
    """How lines look."""

    def __init__(self, format: LogFormat) -> None:
        self._rendered: structlog.typing.Processor = (
            structlog.processors.JSONRenderer()
            if format is LogFormat.JSON
            else structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        )
        super().__init__(
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(),
                _without_colours,
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.ExceptionRenderer(_story),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, self._rendered],
        )

    def format(self, record: logging.LogRecord) -> str:
        if record.name != ACCESS:
            return super().format(record)
        # There is one for each request, so it does not take the long way.
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            **vars(record)["request"],
            "event": record.msg,
            "level": "info",
            "logger": ACCESS,
            "timestamp": moment.isoformat().replace("+00:00", "Z"),
        }
        return str(self._rendered(None, "info", line))


def _without_colours(
    _: Any, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """uvicorn sends each of its messages a second time, in colours."""
    event.pop("color_message", None)
    return event


def _story(exc_info: structlog.typing.ExcInfo) -> str:
    """Where it happened and why, without the values that were at hand, sent by customers."""
    told: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None and len(told) < 10:
        frames = "".join(traceback.format_tb(error.__traceback__))
        told.append(f"{frames}{type(error).__qualname__}: {_words(error)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nwhich came of\n\n".join(told)


def _words(error: BaseException) -> str:
    """The first line of what it says, up to a quotation: there, and below, are the values."""
    first = re.sub(r"""['"].*|\d{4,}""", "…", str(error).partition("\n")[0])
    facts = [fact for name in _FACTS if isinstance(fact := getattr(error, name, None), str)]
    return f"{first} ({', '.join(facts)})" if facts else first
