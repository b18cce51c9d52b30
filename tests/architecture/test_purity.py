"""What the domain and the use cases leave to others."""

import ast
import sys
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.architecture.sources import sources

Offences = Iterator[tuple[int, str]]
Rule = Callable[[ast.Module], Offences]

OUTSIDE: Final = {
    "asyncio",
    "http",
    "io",
    "logging",
    "multiprocessing",
    "pathlib",
    "random",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "warnings",
}
CLOCKS: Final = {"now", "utcnow", "today"}
CALLS: Final = {"print", "open", "input", "breakpoint", "uuid1", "uuid4", "getenv"}
CALLS_ONCE_REMOVED: Final = CALLS - {"open"} | CLOCKS


def waiting(tree: ast.Module) -> Offences:
    kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncWith, ast.AsyncFor)
    for node in ast.walk(tree):
        if isinstance(node, kinds):
            yield node.lineno, "waits"


def impure_calls(tree: ast.Module) -> Offences:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield node.lineno, name
            case ast.Call(func=ast.Attribute(attr=name)) if name in CALLS_ONCE_REMOVED:
                yield node.lineno, name
            case ast.Attribute(attr="environ"):
                yield node.lineno, "environ"


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name.partition(".")[0]) for alias in names)
            case ast.ImportFrom(module=str(module)):
                yield node.lineno, module.partition(".")[0]


def reaching_outside(tree: ast.Module) -> Offences:
    return (found for found in imported(tree) if found[1] in OUTSIDE)


def technology(*own: str) -> Rule:
    """A rule against everything but the standard library and these packages."""
    return lambda tree: (
        found for found in imported(tree) if found[1] not in {*own} | sys.stdlib_module_names
    )


def offences(rule: Rule, *places: str, but: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{source}:{line} {what}"
        for source in sources(*places)
        if str(source) not in but
        for line, what in rule(source.tree)
    ]


def test_the_domain_never_waits() -> None:
    assert offences(waiting, "domain") == []


def test_the_domain_reads_no_clock_no_setting_and_no_file_and_prints_nothing() -> None:
    assert offences(impure_calls, "domain") == []
    assert offences(reaching_outside, "domain") == []


def test_the_domain_knows_the_standard_library_alone() -> None:
    assert offences(technology("domain"), "domain") == []


def test_the_use_cases_know_the_domain_and_the_standard_library_alone() -> None:
    assert offences(technology("domain", "application"), "application") == []


def test_the_use_cases_have_one_clock() -> None:
    found = offences(impure_calls, "application")
    assert [what.partition(":")[0] for what in found] == ["application/shared/clock.py"]


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (waiting, "async def place(): pass"),
        (waiting, "async def place():\n    await stock()"),
        (impure_calls, "at = datetime.now(UTC)"),
        (impure_calls, "at = datetime.datetime.utcnow()"),
        (impure_calls, "at = date.today()"),
        (impure_calls, "id = uuid4()"),
        (impure_calls, "id = uuid.uuid4()"),
        (impure_calls, "print(1)"),
        (impure_calls, "open('stock.csv')"),
        (impure_calls, "url = os.environ['URL']"),
        (impure_calls, "url = os.getenv('URL')"),
        (reaching_outside, "import logging"),
        (reaching_outside, "from time import monotonic"),
        (reaching_outside, "def f():\n    import urllib.request"),
        (technology("domain"), "import sqlalchemy.orm"),
        (technology("domain"), "from application.shared.clock import Clock"),
    ],
)
def test_the_rules_find_what_they_look_for(rule: Rule, code: str) -> None:
    assert [*rule(ast.parse(code))] != []


@pytest.mark.parametrize("rule", [waiting, impure_calls, reaching_outside, technology("domain")])
def test_the_rules_leave_pure_code_alone(rule: Rule) -> None:
    code = "import secrets\nfrom domain.shared.ids import new_id\n\ntail = secrets.token_bytes(5)"
    assert [*rule(ast.parse(code))] == []
