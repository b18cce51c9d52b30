"""`tradepost users`: what is done to users at the machine itself."""

import asyncio
import os
from collections.abc import Callable
from typing import Annotated

import typer

from interfaces.container import Container, close


def user_commands(open_shop: Callable[[], Container]) -> typer.Typer:
    """The sub-application `users`."""
    commands = typer.Typer(help="Users and their roles.", no_args_is_help=True)

    @commands.callback()
    def group() -> None:
        """Users and their roles."""

    @commands.command()
    def create_admin(
        username: Annotated[str, typer.Option()],
        email: Annotated[str, typer.Option()],
    ) -> None:
        """Make an administrator. The password comes from TRADEPOST_PASSWORD or a prompt."""
        password = _password()
        shop = open_shop()

        async def create() -> str:
            try:
                user, is_new = await shop.administration().create_admin(
                    username=username, email=email, password=password
                )
            finally:
                await close(shop)
            return f"{user.username} is {'now' if is_new else 'already'} there, as {user.role}"

        typer.echo(asyncio.run(create()))

    return commands


def _password() -> str:
    # Never an argument or option, which everybody on the machine can read.
    given = os.environ.get("TRADEPOST_PASSWORD")
    if given is not None:
        return given
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
