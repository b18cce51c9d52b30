"""`tradepost orders`: what has to be done about orders from time to time."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Final

import typer

from application.identity.actor import OPERATOR
from interfaces.commands.running import in_shop
from interfaces.container import Container

_TIME: Final = re.compile(r"([1-9][0-9]{0,6})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_LONGEST: Final = timedelta(days=3650)


def _time(text: str) -> timedelta:
    match = _TIME.fullmatch(text)
    if match is None:
        raise typer.BadParameter("a time is spelled like 90m, 48h or 2d")
    number, unit = match.groups()
    time = timedelta(**{_UNITS[unit]: int(number)})
    if time > _LONGEST:
        raise typer.BadParameter("nothing here is older than ten years")
    return time


OlderThan = Annotated[
    timedelta | None, typer.Option(parser=_time, metavar="TIME", help="as in 90m, 48h or 2d")
]


def order_commands(open_shop: Callable[[], Container]) -> typer.Typer:
    """The sub-application `orders`."""
    commands = typer.Typer(help="Unpaid orders, undecided payments.", no_args_is_help=True)

    @commands.command()
    def expire(older_than: OlderThan = None) -> None:
        """Cancel orders that nobody has begun to pay; for an hourly job."""
        shop = open_shop()
        age = older_than or timedelta(hours=shop.settings().unpaid_order_hours)
        done = in_shop(shop, lambda shop: shop.expiry().expire(OPERATOR, older_than=age))
        for id, refusal in done.refused.items():
            typer.echo(f"order {id} stays: {refusal}", err=True)
        typer.echo(f"unpaid orders cancelled: {done.orders}")
        if done.refused:
            raise typer.Exit(1)

    @commands.command()
    def settle(older_than: OlderThan = None) -> None:
        """Ask the payment provider again about payments without an answer; for a frequent job."""
        age = older_than or timedelta(minutes=5)
        settled = in_shop(
            open_shop(), lambda shop: shop.charging().ask_again(OPERATOR, older_than=age)
        )
        typer.echo(f"payments settled: {settled}")

    return commands
