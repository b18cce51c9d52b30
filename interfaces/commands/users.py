"""`tradepost users`: what is done to users at the machine itself."""

import os
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from application.identity.actor import OPERATOR
from application.identity.administration import Administration
from domain.identity.user import Role
from interfaces.commands.running import in_shop
from interfaces.container import Container

Login = Annotated[str, typer.Argument(metavar="USER", help="user name or email address")]


def user_commands(open_shop: Callable[[], Container]) -> typer.Typer:
    """The sub-application `users`. Passwords come from TRADEPOST_PASSWORD or a prompt."""
    commands = typer.Typer(help="Users and their roles.", no_args_is_help=True)

    def say(command: Callable[[Administration], Awaitable[str]]) -> None:
        say_of_shop(lambda shop: command(shop.administration()))

    def say_of_shop(command: Callable[[Container], Awaitable[str]]) -> None:
        typer.echo(in_shop(open_shop(), command))

    @commands.command()
    def create_admin(
        username: Annotated[str, typer.Option()], email: Annotated[str, typer.Option()]
    ) -> None:
        """Make an administrator."""
        password = _password()

        async def create(users: Administration) -> str:
            user, is_new = await users.create_admin(
                OPERATOR, username=username, email=email, password=password
            )
            return f"{user.username} is {'now' if is_new else 'already'} there, as {user.role}"

        say(create)

    @commands.command()
    def set_role(user: Login, role: Role) -> None:
        """Make a user customer, staff or admin."""

        async def change(users: Administration) -> str:
            id = await users.id_of(OPERATOR, user)
            changed = await users.revise(OPERATOR, id, {}, role=role)
            return f"{changed.username} is now {changed.role}"

        say(change)

    @commands.command()
    def deactivate(user: Login) -> None:
        """End a user's sessions and let them sign in no more."""

        async def change(users: Administration) -> str:
            changed = await users.deactivate(OPERATOR, await users.id_of(OPERATOR, user))
            return f"{changed.username} is deactivated"

        say(change)

    @commands.command()
    def set_password(user: Login) -> None:
        """Give a user another password, which ends their sessions."""
        password = _password()

        async def change(users: Administration) -> str:
            id = await users.id_of(OPERATOR, user)
            changed = await users.set_password(OPERATOR, id, password)
            return f"{changed.username} has another password"

        say(change)

    @commands.command()
    def tidy() -> None:
        """Remove expired sessions and forgotten attempts to sign in; for a daily job."""

        async def remove(shop: Container) -> str:
            gone = await shop.housekeeping().tidy(OPERATOR)
            return f"{gone.sessions} expired sessions and {gone.attempts} old attempts are gone"

        say_of_shop(remove)

    return commands


def _password() -> str:
    # Never an argument or option, which everybody on the machine can read.
    given = os.environ.get("TRADEPOST_PASSWORD")
    if given is not None:
        return given
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
