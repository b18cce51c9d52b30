"""
Copies of entities by their declared fields.

Not `copy.deepcopy`: a class that SQLAlchemy has mapped carries state that cannot be copied, and the
two backends must work in one process.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

State = Mapping[str, Any]


class Child:
    """A frozen picture of an entity that lives inside another one."""

    __slots__ = ("kind", "state")

    def __init__(self, entity: Any) -> None:
        self.kind = type(entity)
        self.state = state_of(entity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Child) and (self.kind, self.state) == (other.kind, other.state)

    __hash__ = None  # type: ignore[assignment]


class Children(tuple[Any, ...]):
    """A frozen picture of a list; a tuple is one of itself."""


def state_of(entity: Any) -> State:
    """A picture of what the entity is now; later changes do not reach it."""
    return {field.name: _frozen(getattr(entity, field.name)) for field in fields(entity)}


def entity_of(kind: type[Any], state: State) -> Any:
    """A new entity that is what the picture shows."""
    return kind(**{name: _thawed(value) for name, value in state.items()})


def restore(entity: Any, state: State) -> None:
    """Make the very same object what the picture shows."""
    for name, value in state.items():
        setattr(entity, name, _thawed(value))


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return Children(_frozen(item) for item in value)
    if is_dataclass(value) and not _is_value(value):
        return Child(value)
    return dict(value) if isinstance(value, Mapping) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, Children):
        return [_thawed(item) for item in value]
    if isinstance(value, Child):
        return entity_of(value.kind, value.state)
    return dict(value) if isinstance(value, Mapping) else value


def _is_value(value: Any) -> bool:
    return bool(type(value).__dataclass_params__.frozen)
