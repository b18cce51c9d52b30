"""`tradepost db`: what an operator does to the schema of the database."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final, Protocol

import typer

from application.shared.errors import StorageFailure

FAILED: Final = 1
OTHER_SCHEMA: Final = 3  # than the one that this version needs
KEPT_FROM: Final = {
    "ACCESS EXCLUSIVE": "nobody reads or writes",
    "EXCLUSIVE": "nobody writes",
    "SHARE ROW EXCLUSIVE": "nobody writes",
    "SHARE": "nobody writes",
    "SHARE UPDATE EXCLUSIVE": "everybody goes on",
    "RESERVED": "nobody else writes",
}


class Revision(Protocol):
    @property
    def revision(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def applied(self) -> bool: ...
    @property
    def is_current(self) -> bool: ...


class Lock(Protocol):
    @property
    def of(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def bytes(self) -> int | None: ...


class PendingStep(Protocol):
    @property
    def revision(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def locks(self) -> Sequence[Lock]: ...
    @property
    def rewrites(self) -> Sequence[str]: ...
    @property
    def works_before(self) -> bool: ...
    @property
    def works_after(self) -> bool: ...
    @property
    def sql(self) -> str: ...


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
    def plan(self) -> Sequence[PendingStep]: ...


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
    def plan(
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    ) -> None:
        """Tell what an upgrade would lock and rewrite, for whom the schema works, and its SQL."""
        with _one_line_if_it_fails():
            migrations = open_migrations()
            steps = migrations.plan()
            at = migrations.current()
        if as_json:
            typer.echo(json.dumps([_document(step) for step in steps], indent=2))
            return
        typer.echo(_at(at))
        for line in _table(steps):
            typer.echo(line)

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


def _table(steps: Sequence[PendingStep]) -> Iterator[str]:
    if not steps:
        yield "nothing is pending"
        return
    yield from _in_columns(
        [
            ("revision", "what runs now works", "locks", "meanwhile", "size", "rewritten"),
            *(row for step in steps for row in _rows(step)),
        ]
    )
    for step in steps:
        yield f"\n-- {step.revision}: {step.title}"
        yield step.sql


def _rows(step: PendingStep) -> Iterator[tuple[str, ...]]:
    works = {
        (True, True): "before and after",
        (True, False): "before, not after",
        (False, False): "no",
    }[step.works_before, step.works_after]
    first = (step.revision, works)
    for lock in step.locks:
        rewritten = "yes" if lock.of in step.rewrites else "no"
        size = "not there yet" if lock.bytes is None else _size(lock.bytes)
        yield *first, f"{lock.of} ({lock.mode})", KEPT_FROM[lock.mode], size, rewritten
        first = ("", "")
    if not step.locks:
        yield *first, "nothing", "everybody goes on", "", "no"


def _in_columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(f"{cell:<{width}}" for cell, width in cells).rstrip()


def _size(size: int) -> str:
    return f"{size / 1024:,.0f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:,.0f} MiB"


def _document(step: PendingStep) -> dict[str, Any]:
    return {
        "revision": step.revision,
        "title": step.title,
        "locks": [{"of": lock.of, "mode": lock.mode, "bytes": lock.bytes} for lock in step.locks],
        "rewrites": [*step.rewrites],
        "works_before": step.works_before,
        "works_after": step.works_after,
        "sql": step.sql,
    }


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
