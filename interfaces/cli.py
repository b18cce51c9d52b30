"""The command `tradepost`. Exit codes: 0 done, 1 failed, 2 wrong use, 3 not the needed schema."""

import gc

gc.disable()  # What is imported stays: looking for garbage in it takes a third of the time.

import asyncio
import json
import os
import secrets
import sys
import tempfile
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Final

import typer
from dependency_injector import providers

from application.identity.actor import OPERATOR
from application.shared.errors import StorageFailure
from domain.shared.errors import DomainError
from interfaces import logs
from interfaces.collecting import tune_collector
from interfaces.commands.catalog import RowsRefused, catalog_commands
from interfaces.commands.db import db_commands
from interfaces.commands.idempotency import idempotency_commands
from interfaces.commands.orders import order_commands
from interfaces.commands.users import user_commands
from interfaces.commands.verify import verify_command
from interfaces.container import Container
from interfaces.metrics import SHARED
from interfaces.settings import MissingSecret, Settings, UnusableSettings, load

tune_collector()

FAILED: Final = 1
WRONG_USE: Final = 2
NOT_READY: Final = 3

app = typer.Typer(
    help="Tradepost, a headless order and catalog service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _shop(settings: Settings | None = None) -> Container:
    return Container(settings=providers.Object(settings or load()))


def _ready_shop(settings: Settings | None = None) -> Container:
    """
    A shop whose database has a schema that this version can work with, or exit 3.

    An embedded file belongs to this process, so it is brought there; a server's schema is changed
    by its operator and nobody else.
    """
    shop = _shop(settings)
    settings = shop.settings()
    if not settings.memory and settings.sqlite_file is not None:
        shop.migrations().upgrade_file(report=typer.echo)
    return _fitting(shop)


def _shop_to_verify() -> Container:
    # A whole table may take longer than anybody waits for an answer. In seconds.
    return _fitting(_shop(load().model_copy(update={"statement_timeout": 600.0})))


def _fitting(shop: Container) -> Container:
    """The shop as it is, if this version can work with its database's schema, or exit 3."""
    if shop.settings().memory:
        return shop
    if objection := shop.migrations().objection():
        advice = ": run `tradepost db upgrade`" if shop.migrations().is_behind() else ""
        _leave(NOT_READY, objection + advice)
    return shop


@app.command()
def serve(
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64)] = 1,
    memory: Annotated[bool, typer.Option(help="keep everything in this process")] = False,
) -> None:
    """Serve the HTTP API."""
    # Here, because no other command needs what takes so long to import.
    import uvicorn

    from interfaces.http.app import create_app
    from interfaces.http.connections import TimedConnection

    settings = load()
    if memory:
        settings = settings.model_copy(update={"memory": True})
    if settings.memory and workers > 1:
        raise typer.BadParameter("what is in memory is in one process: --workers 1")
    logs.configure(settings)
    settings.secrets  # noqa: B018 (without one there is nothing to sign with, so not later)
    shop = _ready_shop(settings)
    _greet(shop, f"http://{host}:{port}")
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "http": partial(TimedConnection, patience=settings.client_timeout),
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": settings.trusted_proxies,
        "timeout_graceful_shutdown": round(settings.shutdown_seconds),
    }
    _allow_many_connections()
    if workers == 1:
        served = create_app(shop)
        tune_collector()
        uvicorn.run(served, **options)
    else:
        with tempfile.TemporaryDirectory(prefix="tradepost-") as folder:
            os.environ[SHARED] = folder
            uvicorn.run(
                "interfaces.asgi:app",
                workers=workers,
                timeout_worker_healthcheck=30,  # of one that starts on a busy machine, too
                **options,
            )


def _allow_many_connections() -> None:
    """Each is an open file, of which a process often has 1024 unless it asks for more."""
    with suppress(ImportError, OSError, ValueError):  # not every system knows, or lets us
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _greet(shop: Container, address: str) -> None:
    typer.echo(f"Tradepost serves {address}")
    typer.echo(f"  to try it out   {address}/docs")
    if not shop.settings().memory:
        command = "tradepost users create-admin --username NAME --email ADDRESS"
        typer.echo(f"  make an admin   {command}")
        return
    # Nobody else can reach this process's memory, so its administrator is made here.
    password = os.environ.get("TRADEPOST_PASSWORD") or f"A1-{secrets.token_urlsafe(12)}"
    asyncio.run(
        shop.administration().create_admin(
            OPERATOR, username="admin", email="admin@example.com", password=password
        )
    )
    typer.echo(f"  administrator   admin, password {password} (for this process only)")
    typer.echo("  everything is kept in memory and gone at the end")


@app.command("openapi")
def print_openapi() -> None:
    """Print the OpenAPI document."""
    from interfaces.http.app import create_app

    document = create_app(_shop(load().model_copy(update={"memory": True}))).openapi()
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


app.add_typer(db_commands(lambda: _shop().migrations()), name="db")
app.add_typer(catalog_commands(_ready_shop), name="catalog")
app.add_typer(idempotency_commands(_ready_shop), name="idempotency")
app.add_typer(order_commands(_ready_shop), name="orders")
app.add_typer(user_commands(_ready_shop), name="users")
app.command()(verify_command(_shop_to_verify))


def _leave(code: int, line: str) -> None:
    typer.echo(f"tradepost: {line}", err=True)
    sys.exit(code)


def main() -> None:
    """Each failure that can be foreseen is one line and an exit code."""
    try:
        app()
    except UnusableSettings as error:
        _leave(WRONG_USE, str(error))
    except MissingSecret:
        _leave(NOT_READY, "TRADEPOST_SECRET_KEY is missing: set one of at least 32 random bytes")
    except (StorageFailure, DomainError, RowsRefused, OSError) as error:
        _leave(FAILED, str(error) or type(error).__name__)
