"""`tradepost db`: what an operator does to the schema of the database."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Final, Protocol

import typer

from application.shared.errors import StorageFailure

FAILED: Final = 1
OTHER_SCHEMA: Final = 3  # than the one that this version needs


class Revision(Protocol):
    @property
    def revision(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def applied(self) -> bool: ...
    @property
    def is_current(self) -> bool: ...


class SchemaCheck(Protocol):
    @property
    def current(self) -> str | None: ...
    @property
    def head(self) -> str: ...
    @property
    def behind(self) -> bool: ...
    @property
    def differences(self) -> Sequence[str]: ...
    @property
    def fits(self) -> bool: ...


class Migrations(Protocol):
    """The schema of one database; what cannot be done is a StorageFailure of one line."""

    @property
    def head(self) -> str: ...
    def upgrade(self, revision: str, *, sql: bool, report: Callable[[str], object]) -> None: ...
    def downgrade(self, revision: str, *, sql: bool, report: Callable[[str], object]) -> None: ...
    def current(self) -> str | None: ...
    def check(self) -> SchemaCheck: ...
    def history(self) -> Sequence[Revision]: ...


Sql = Annotated[bool, typer.Option("--sql", help="Print the SQL and leave the database alone.")]


def db_commands(open_migrations: Callable[[], Migrations]) -> typer.Typer:
    """The sub-application `db`; it asks for the migrations when a command runs, not before."""
    commands = typer.Typer(help="The schema of the database.", no_args_is_help=True)

    @commands.command()
    def upgrade(
        revision: Annotated[str, typer.Argument(metavar="REV")] = "head", sql: Sql = False
    ) -> None:
        """Bring the database to a revision, the newest if none is named."""
        with _one_line_if_it_fails():
            migrations = open_migrations()
            migrations.upgrade(revision, sql=sql, report=typer.echo)
            if not sql:
                typer.echo(_at(migrations.current()))

    # A step back is written -1, which is no option.
    @commands.command(context_settings={"ignore_unknown_options": True})
    def downgrade(
        revision: Annotated[str, typer.Argument(metavar="REV")], sql: Sql = False
    ) -> None:
        """Bring the database back to a revision, `base` for none; with --sql, FROM:TO."""
        with _one_line_if_it_fails():
            migrations = open_migrations()
            migrations.downgrade(revision, sql=sql, report=typer.echo)
            if not sql:
                typer.echo(_at(migrations.current()))

    @commands.command()
    def current() -> None:
        """Print the revision that the database is at, and the one that this version needs."""
        with _one_line_if_it_fails():
            migrations = open_migrations()
            typer.echo(_at(migrations.current()))
            typer.echo(f"this version needs {migrations.head}")

    @commands.command()
    def check() -> None:
        """Exit with 3 unless the database has exactly the tables that this version needs."""
        with _one_line_if_it_fails():
            found = open_migrations().check()
        typer.echo(_at(found.current))
        typer.echo(f"this version needs {found.head}{_advice(found)}")
        for difference in found.differences:
            typer.echo(f"  {difference}")
        if not found.fits:
            raise typer.Exit(OTHER_SCHEMA)

    @commands.command()
    def history() -> None:
        """List every revision, the oldest first."""
        with _one_line_if_it_fails():
            migrations = open_migrations()
            revisions = migrations.history()
            at = migrations.current()
        for each in revisions:
            typer.echo(f"{_state(each)}  {each.revision}  {each.title}")
        if at is not None and not any(each.is_current for each in revisions):
            typer.echo(f"{_at(at)}, which this version does not know")

    return commands


def _at(revision: str | None) -> str:
    return (
        "the database is at no revision" if revision is None else f"the database is at {revision}"
    )


def _advice(found: SchemaCheck) -> str:
    if found.fits:
        return ", and that is what is there"
    if found.differences:
        return ", and its tables are not those of that revision; this would mend them:"
    if found.behind:
        return ": run `tradepost db upgrade`"
    return " and does not know the other: a newer version was here"


def _state(revision: Revision) -> str:
    if revision.is_current:
        return "current"
    return "applied" if revision.applied else "pending"


@contextmanager
def _one_line_if_it_fails() -> Iterator[None]:
    try:
        yield
    except StorageFailure as failure:
        typer.echo(f"tradepost db: {failure}", err=True)
        raise typer.Exit(FAILED) from None
