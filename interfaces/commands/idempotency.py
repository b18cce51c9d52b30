"""`tradepost idempotency`: the answers that are kept for requests that come again."""

from collections.abc import Callable

import typer

from application.identity.actor import OPERATOR
from interfaces.commands.running import in_shop
from interfaces.container import Container


def idempotency_commands(open_shop: Callable[[], Container]) -> typer.Typer:
    """The sub-application `idempotency`."""
    commands = typer.Typer(help="Answers kept for retries.", no_args_is_help=True)

    @commands.callback()
    def _group() -> None:
        """Answers kept for retries."""

    @commands.command()
    def purge() -> None:
        """Forget the keys that have expired; for a daily job."""
        gone = in_shop(open_shop(), lambda shop: shop.housekeeping().purge_keys(OPERATOR))
        typer.echo(f"{gone} expired keys are gone")

    return commands
