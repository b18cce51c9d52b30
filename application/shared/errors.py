from collections.abc import Container
from typing import ClassVar

from domain.shared.aggregate import Aggregate
from domain.shared.errors import Conflict, DomainError


class StaleVersion(DomainError):
    """The caller named a version, and the resource has moved on."""

    code = "stale-version"

    def __init__(self, version: int) -> None:
        super().__init__(f"the current version is {version}", version=version)


class InUse(Conflict):
    """Something refers to what was to go, or what was referred to is gone."""

    code = "in-use"

    def __init__(self) -> None:
        super().__init__("something else refers to this, or this to something that is gone")


class RowRefused(DomainError):
    """
    One row of many was refused, and so all of them; `cause` says why.

    `index` counts from 0 or, in a file, is the number of the row there.
    """

    def __init__(self, index: int, cause: DomainError, *, in_file: bool = False) -> None:
        super().__init__(f"row {index}: {cause}", index=index)
        self.index = index
        self.cause = cause
        self.in_file = in_file


class StorageFailure(Exception):
    """The storage did not do what it was asked; no fault of the caller's."""

    code: ClassVar[str] = "unavailable"


class Unavailable(StorageFailure):
    """The database is away, or did not answer in time."""


class Overloaded(StorageFailure):
    """There is more to do than can be done in time."""

    code = "overloaded"


class TransientFailure(StorageFailure):
    """The whole unit of work was undone and may be tried again, as it is."""

    code = "overloaded"


class StaleWrite(TransientFailure):
    """Somebody else stored a newer state of what this unit of work had read."""


class Deadlock(TransientFailure):
    """Two units of work waited for each other, and this one was chosen to give way."""


class SerializationFailure(TransientFailure):
    """No order of the concurrent units of work would have given this result."""


class Busy(TransientFailure):
    """A lock was not to be had in time."""


class Demoted(TransientFailure):
    """The server takes no writes any more; another one does, or will."""

    code = "unavailable"


class NameCollision(TransientFailure):
    """A name made at random was taken."""


def unchanged_since(expected: Container[int] | None, aggregate: Aggregate) -> None:
    """StaleVersion, unless the aggregate is in an expected version; None expects nothing."""
    if expected is not None and aggregate.version not in expected:
        raise StaleVersion(aggregate.version)
