import logging
import sys
from typing import Any, Final

import structlog

from interfaces.settings import LogFormat, Settings

_TRACEBACKS: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def configure(settings: Settings) -> None:
    """One line per event on standard error, as JSON or to be read; libraries' lines included."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.ExtraAdder(),
        _without_colours,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        # Without local variables, which hold what customers have sent.
        [_TRACEBACKS, structlog.processors.JSONRenderer()]
        if settings.log_format is LogFormat.JSON
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    lines = logging.StreamHandler()
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [lines]
    root.setLevel(settings.log_level.upper())
    # What it does in a migration is told by the migration; the rest is of no use to anybody.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # At its finest it prints what customers have sent.
    logging.getLogger("aiosqlite").setLevel(logging.INFO)


def _without_colours(
    _: Any, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """uvicorn sends each of its messages a second time, in colours."""
    event.pop("color_message", None)
    return event
