"""How the code of this project looks, wherever it lies."""

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from typing import Final, TypeVar

import pytest

from application.shared.errors import RowRefused, StorageFailure
from domain.shared.errors import DomainError
from domain.shared.events import Event
from tests.architecture.sources import ROOT, sources

T = TypeVar("T")

CODE: Final = ("domain", "application", "infrastructure", "interfaces")
EVERYTHING: Final = (*CODE, "migrations", "tests")
NAMES_THAT_SAY_NOTHING: Final = {
    *("utils", "util", "helpers", "helper", "common", "misc", "base"),
    *("manager", "managers", "handler", "handlers", "service", "services"),
}
UNITS_OF_WORK: Final = {"Cohort", "Cohorts", "Member"}  # which are no services, and do remember
LONGEST_USE_CASES: Final = 200  # lines


def subclasses(kind: type[T]) -> Iterator[type[T]]:
    """Every class below this one in the domain and the application, all of which are imported."""
    for source in sources("domain", "application"):
        source.load()
    waiting = [kind]
    while waiting:
        below = waiting.pop().__subclasses__()
        yield from (
            found for found in below if found.__module__.startswith(("domain.", "application."))
        )
        waiting += below


def is_frozen(kind: type) -> bool:
    """Whether this very class, not one above it, is declared as a frozen dataclass."""
    declared = vars(kind).get("__dataclass_params__")
    return declared is not None and bool(declared.frozen)


def test_every_event_is_a_frozen_fact() -> None:
    for event in subclasses(Event):
        assert is_frozen(event), event


def test_every_event_has_a_dotted_name_of_its_own() -> None:
    told = [event for event in subclasses(Event) if not event.__subclasses__()]
    names = [vars(event).get("name") for event in told]
    assert len(told) > 10
    assert len(names) == len({*names})
    for name in names:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", str(name)), name


def test_every_refusal_and_every_failure_has_a_code_in_kebab_case() -> None:
    refusals: set[type[Exception]] = {*subclasses(DomainError), *subclasses(StorageFailure)}
    # A refused row speaks with the code of its cause.
    for error in refusals - {RowRefused}:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", getattr(error, "code", "")), error


def test_every_refusal_says_which_kind_it_is() -> None:
    kinds = {kind.__name__ for kind in DomainError.__subclasses__()}
    assert {"NotFound", "Conflict", "RuleBroken", "Forbidden"} <= kinds
    assert kinds - {"NotFound", "Conflict", "RuleBroken", "Forbidden"} == {
        "StaleVersion",
        "RowRefused",
    }


def test_every_service_is_a_frozen_dataclass() -> None:
    found = []
    for source in sources("application"):
        if source.path.parent.name == "shared":
            continue
        module = source.load()
        for name, kind in inspect.getmembers(module, inspect.isclass):
            is_service = any(map(inspect.iscoroutinefunction, vars(kind).values()))
            if kind.__module__ != module.__name__ or not is_service or name in UNITS_OF_WORK:
                continue
            if not getattr(kind, "_is_protocol", False):
                found.append(name)
                assert is_frozen(kind), name
                assert "__slots__" in vars(kind), name
    assert {"Checkout", "Fulfilment", "Stocking", "Curation", "SigningIn"} <= {*found}


def test_no_use_cases_outgrow_their_module() -> None:
    lengths = {str(source): len(source.text.splitlines()) for source in sources("application")}
    assert {name: count for name, count in lengths.items() if count > LONGEST_USE_CASES} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    for source in sources(*EVERYTHING):
        parts = {*source.path.relative_to(ROOT).with_suffix("").parts}
        assert not parts & NAMES_THAT_SAY_NOTHING, str(source)


def test_every_name_is_imported_from_where_it_is_defined() -> None:
    assert [str(source) for source in sources(*EVERYTHING) if source.path.stem == "__init__"] == []
    for source in sources(*CODE):
        hidden = [
            node.lineno
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Name) and node.id == "TYPE_CHECKING"
        ]
        assert hidden == [], str(source)


def comments(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


def silenced(text: str) -> list[str]:
    """Comments that silence every complaint about their line, whichever it is."""
    return [
        comment
        for comment in comments(text)
        if re.search(r"type:\s*ignore(?!\[)|noqa(?!: [A-Z]+[0-9]+)", comment)
    ]


def test_whoever_silences_a_complaint_says_which() -> None:
    assert {
        str(source): found for source in sources(*EVERYTHING) if (found := silenced(source.text))
    } == {}
    for careless in ("x = 1  # type: ignore", "x = 1  # noqa", "x = 1  # noqa: all of it"):
        assert silenced(careless)
    assert not silenced("x = 1  # type: ignore[assignment]\ny = 2  # noqa: S311")


Function = ast.FunctionDef | ast.AsyncFunctionDef


def of_function(function: Function) -> Iterator[ast.AST]:
    """What stands in this function, without the functions inside it."""
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def late_commits(tree: ast.Module) -> list[str]:
    """Functions that commit after they have given away what they were asked for."""
    late = []
    for function in (node for node in ast.walk(tree) if isinstance(node, Function)):
        inside = [*of_function(function)]
        yields = [node.lineno for node in inside if isinstance(node, ast.Yield | ast.YieldFrom)]
        commits = [
            node.lineno
            for node in inside
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "commit"
        ]
        if yields and any(commit > min(yields) for commit in commits):
            late.append(function.name)
    return late


def test_nobody_is_answered_before_the_commit() -> None:
    assert {
        str(source): found for source in sources(*CODE) if (found := late_commits(source.tree))
    } == {}


@pytest.mark.parametrize(
    ("code", "late"),
    [
        ("async def work():\n    yield 1\n    await session.commit()", ["work"]),
        ("def work():\n    with begin() as w:\n        yield w\n        w.commit()", ["work"]),
        ("async def work():\n    await session.commit()\n    yield 1", []),
        ("def outer():\n    yield 1\n    def inner(): w.commit()", []),
    ],
)
def test_a_commit_after_a_yield_is_found(code: str, late: list[str]) -> None:
    assert late_commits(ast.parse(code)) == late
