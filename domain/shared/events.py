from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened. `name` is its wire name and outlives any rename of the class."""

    name: ClassVar[str]
    at: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event in its place in the history of one aggregate; places count from 1 without a gap."""

    sequence: int
    event: Event
