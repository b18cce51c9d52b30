from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from domain.shared.events import Event, Recorded


@dataclass(eq=False, kw_only=True)
class Aggregate:
    """
    A consistency boundary that remembers what happened to it until someone asks.

    `version` belongs to the backend, which counts stored states. `sequence` counts recorded events:
    being part of the stored state, it can neither skip nor repeat a number.
    """

    id: UUID
    version: int = 0
    sequence: int = 0

    def record(self, event: Event) -> None:
        self.sequence += 1
        # Through __dict__, because an aggregate loaded from a database never ran __init__.
        self.__dict__.setdefault("_events", []).append(Recorded(self.sequence, event))

    def assign(self, values: Mapping[str, object]) -> tuple[str, ...]:
        """Set the attributes that differ, and tell which they were."""
        differing = tuple(name for name, value in values.items() if getattr(self, name) != value)
        for name in differing:
            setattr(self, name, values[name])
        return differing

    def release_events(self) -> list[Recorded]:
        released: list[Recorded] = self.__dict__.pop("_events", [])
        return released
