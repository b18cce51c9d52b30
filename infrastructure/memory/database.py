import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from application.shared.errors import Busy, Deadlock, InUse, StaleWrite
from application.shared.idempotency import Answer, RequestKey
from application.shared.outbox import OutboxEntry
from domain.catalog.stock import StockMovement
from domain.shared.aggregate import Aggregate
from infrastructure.event_log import Journal
from infrastructure.memory.copying import State, entity_of, restore, state_of

A = TypeVar("A", bound=Aggregate)

Key = tuple[type[Aggregate], UUID]


@dataclass(frozen=True, slots=True)
class Unique:
    """No two entities of this kind have the same key; None is never the same as anything."""

    kind: type[Aggregate]
    name: str
    key: Callable[[Any], Hashable | None]
    violated: Callable[[], Exception]


@dataclass(frozen=True, slots=True)
class Reference:
    """Each entity of this kind refers by `keys` to entities that bear them as their `key`."""

    kind: type[Aggregate]
    target: type[Aggregate]
    keys: Callable[[Any], Iterable[Hashable | None]]
    key: Callable[[Any], Hashable] | None = None  # the id, if it is not said


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    answer: Answer
    until: datetime


class MemoryDatabase:
    """
    A database in this process: rows with versions, uniqueness, references and row locks.

    What it promises is what the SQL backend gets from PostgreSQL at READ COMMITTED: a unit of work
    sees what is committed when it looks, a changed row is locked to the end of the unit of work,
    and whoever changes a state that is no longer current is refused.
    """

    def __init__(
        self,
        uniques: Iterable[Unique] = (),
        references: Iterable[Reference] = (),
        *,
        lock_timeout: float = 2.0,
    ) -> None:
        # What is stored is nobody's to change: it is copied on its way in and on its way out.
        self.rows: dict[type[Aggregate], dict[UUID, Aggregate]] = defaultdict(dict)
        self.outbox: list[OutboxEntry] = []
        self.movements: list[StockMovement] = []
        self.answers: dict[RequestKey, StoredAnswer] = {}
        self.locks: Final = Locks(lock_timeout)
        self._uniques: Final = [*uniques]
        self.references: Final = [*references]
        self._indexes: dict[str, dict[Hashable, UUID]] = defaultdict(dict)
        self._failure: Exception | None = None
        self._interloper: Callable[[], Awaitable[None]] | None = None

    def fail_next_commit(self, error: Exception) -> None:
        """Fault injection: the next commit raises this and keeps nothing."""
        self._failure = error

    def before_next_commit(self, interloper: Callable[[], Awaitable[None]]) -> None:
        """Fault injection: let another writer get in between the next commit and what it read."""
        self._interloper = interloper

    async def let_interloper_in(self) -> None:
        interloper, self._interloper = self._interloper, None
        if interloper:
            await interloper()

    def all(self, kind: type[A]) -> Iterable[A]:
        """Every committed entity of this kind, to look at."""
        return cast(Iterable[A], self.rows[kind].values())

    def get(self, kind: type[A], id: UUID | None) -> A | None:
        """The committed entity of this id, to look at."""
        return cast(A | None, self.rows[kind].get(id) if id else None)

    def uniques_of(self, entity: Aggregate) -> Iterator[tuple[Unique, Hashable]]:
        for unique in self._uniques:
            if isinstance(entity, unique.kind):
                key = unique.key(entity)
                if key is not None:
                    yield unique, key

    def owner(self, unique: Unique, key: Hashable) -> UUID | None:
        return self._indexes[unique.name].get(key)

    def apply(
        self,
        stored: Mapping[Key, Aggregate],
        removed: Iterable[Key],
        answers: Mapping[RequestKey, StoredAnswer],
        journal: Journal,
        *,
        purged: Iterable[RequestKey] = (),
    ) -> None:
        """Take all of it or, raising, nothing. No await in here: nobody ever sees half of it."""
        failure, self._failure = self._failure, None
        if failure:
            raise failure
        gone = {*removed}
        self.check_references(stored.values(), stored, gone)
        for kind, id in {*stored, *gone}:
            if id in self.rows[kind]:
                self._unindex(self.rows[kind][id])
        for kind, id in gone:
            self.rows[kind].pop(id, None)
        for (kind, id), entity in stored.items():
            self.rows[kind][id] = entity
            for unique, key in self.uniques_of(entity):
                self._indexes[unique.name][key] = id
        for key in purged:
            self.answers.pop(key, None)
        self.answers.update(answers)
        self.outbox += journal.events
        self.movements += journal.movements

    def _unindex(self, entity: Aggregate) -> None:
        for unique, key in self.uniques_of(entity):
            if self.owner(unique, key) == entity.id:
                del self._indexes[unique.name][key]

    def check_references(
        self, changed: Iterable[Aggregate], stored: Mapping[Key, Aggregate], gone: set[Key]
    ) -> None:
        """InUse where something changed, or left behind by what is gone, refers to nothing."""
        for reference in self.references:
            referring = [entity for entity in changed if isinstance(entity, reference.kind)]
            if any(kind is reference.target for kind, _ in gone):
                referring += [
                    entity
                    for id, entity in self.rows[reference.kind].items()
                    if (reference.kind, id) not in {*stored, *gone}
                ]
            wanted = {
                key for entity in referring for key in reference.keys(entity) if key is not None
            }
            if wanted and not wanted <= self._there(reference, stored, gone):
                raise InUse

    def _there(
        self, reference: Reference, stored: Mapping[Key, Aggregate], gone: set[Key]
    ) -> set[Hashable]:
        """The keys of everything that may be referred to."""
        target = reference.target
        rows = {**self.rows[target]}
        rows |= {id: row for (kind, id), row in stored.items() if kind is target}
        for kind, id in gone:
            if kind is target:
                rows.pop(id, None)
        return {*rows} if reference.key is None else {*map(reference.key, rows.values())}


class Locks:
    """Who holds which row or key, and who waits for it: first come, first served."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._holders: dict[Hashable, object] = {}
        self._queues: dict[Hashable, list[asyncio.Future[None]]] = defaultdict(list)
        self._wanted: dict[object, Hashable] = {}

    async def take(self, key: Hashable, owner: object) -> None:
        """Hold this until `release`. Busy after the time-out, Deadlock if waiting had no end."""
        while self._holders.setdefault(key, owner) is not owner:
            if self._waits_for(self._holders[key], owner):
                raise Deadlock
            turn = asyncio.get_running_loop().create_future()
            self._queues[key].append(turn)
            self._wanted[owner] = key
            try:
                await asyncio.wait_for(turn, self._timeout)
            except TimeoutError:
                raise Busy("another unit of work holds the row") from None
            finally:
                del self._wanted[owner]
                if turn in self._queues[key]:
                    self._queues[key].remove(turn)

    def is_held(self, key: Hashable) -> bool:
        return key in self._holders

    def release(self, owner: object) -> None:
        for key in [key for key, holder in self._holders.items() if holder is owner]:
            del self._holders[key]
            for turn in self._queues.pop(key, []):
                if not turn.done():
                    turn.set_result(None)

    def _waits_for(self, waiting: object, holder: object) -> bool:
        """Whether the first one waits, through however many others, for what the other holds."""
        while waiting in self._wanted:
            waiting = self._holders.get(self._wanted[waiting])
            if waiting is holder:
                return True
        return False


@dataclass(slots=True)
class _Held:
    """An entity in the hands of a unit of work; `state` is None until it was flushed once."""

    entity: Aggregate
    state: State | None
    _looks: dict[str, Any] = field(default_factory=dict)

    def has_changed(self) -> bool:
        """Whether there is something to flush."""
        if self.state is None:
            return True
        # Most have not, and that is quick to see where there is no list to look into.
        looks = vars(self.entity)
        if looks == self._looks:
            return False
        if state_of(self.entity) != self.state:
            return True
        if not any(isinstance(value, list) for value in looks.values()):
            self._looks = dict(looks)
        return False


@dataclass(slots=True)
class _Pending:
    """What was flushed and waits for the commit."""

    stored: dict[Key, Aggregate] = field(default_factory=dict)
    removed: set[Key] = field(default_factory=set)
    uniques: dict[tuple[str, Hashable], UUID] = field(default_factory=dict)
    freed: set[tuple[str, Hashable]] = field(default_factory=set)
    answers: dict[RequestKey, StoredAnswer] = field(default_factory=dict)
    purged: set[RequestKey] = field(default_factory=set)
    journal: Journal = field(default_factory=Journal)

    def copy(self) -> "_Pending":
        return _Pending(
            {**self.stored},
            {*self.removed},
            {**self.uniques},
            {*self.freed},
            {**self.answers},
            {*self.purged},
            self.journal.copy(),
        )


class MemorySession:
    """One unit of work's view of the database: its own copies, changed by nobody else."""

    def __init__(self, database: MemoryDatabase) -> None:
        self.database = database
        self._held: dict[Key, _Held] = {}
        self._met: dict[int, Aggregate] = {}
        self._doomed: set[Key] = set()
        self._pending = _Pending()
        self._broken = False

    @property
    def aggregates(self) -> list[Aggregate]:
        """Every aggregate this session has met."""
        return [*self._met.values()]

    def add(self, entity: Aggregate) -> None:
        self._held[type(entity), entity.id] = _Held(entity, None)
        self._met[id(entity)] = entity

    def remove(self, entity: Aggregate) -> None:
        self._doomed.add((type(entity), entity.id))

    async def find(self, kind: type[A], id: UUID, *, lock: bool = False) -> A | None:
        """The entity of this id; with `lock` as it is now, and nobody else's until the end."""
        await self.flush()
        return await self._locked(kind, id) if lock else self._load(kind, id)

    async def amend(self, kind: type[A], id: UUID, change: Callable[[A], None]) -> A | None:
        """The entity of this id, changed without a new version, as by an UPDATE of its row."""
        entity = await self.find(kind, id, lock=True)
        if entity is not None:
            change(entity)
            state = self._held[kind, id].state = state_of(entity)
            self._pending.stored[kind, id] = entity_of(kind, state)
        return entity

    async def select(self, kind: type[A], wanted: Callable[[A], bool]) -> list[A]:
        """Those that the condition holds for in what is flushed or committed, in id order."""
        await self.flush()
        flushed = {id: row for (found, id), row in self._pending.stored.items() if found is kind}
        rows = cast(Mapping[UUID, A], self.database.rows[kind] | flushed)
        loaded = (self._load(kind, id) for id in sorted(rows) if wanted(rows[id]))
        return [entity for entity in loaded if entity is not None]

    async def lock_all(self, kind: type[A], ids: Iterable[UUID]) -> list[A]:
        """Those of them that are there, locked in id order."""
        await self.flush()
        found = [await self._locked(kind, id) for id in sorted({*ids})]
        return [entity for entity in found if entity is not None]

    async def flush(self) -> None:
        """Lock and check what was changed, as a database does when it is told."""
        if self._broken:
            raise RuntimeError("this unit of work has failed and can only be left")
        self._broken = True
        changed = [
            key
            for key, held in sorted(self._held.items(), key=_in_flush_order)
            if held.has_changed()
        ]
        for key in changed:
            await self._flush_state(key, self._held[key])
        for key in sorted(self._doomed, key=_by_id):
            await self._flush_removal(key)
        if changed or self._doomed:
            pending = self._pending
            # What is gone may also be missed by something that was flushed before.
            affected = [*pending.stored] if self._doomed else changed
            there = [pending.stored[key] for key in affected if key in pending.stored]
            self.database.check_references(there, pending.stored, pending.removed)
        self._doomed.clear()
        self._broken = False

    async def commit(self, drain: Callable[[], Journal]) -> Journal:
        """Keep what was done, with all that was written and `drain` gives; return the latter."""
        await self.database.let_interloper_in()
        await self.flush()
        pending, self._pending, self._broken = self._pending, _Pending(), True
        journal = drain()
        pending.journal.add(journal)
        self.database.apply(
            pending.stored,
            pending.removed,
            pending.answers,
            pending.journal,
            purged=pending.purged,
        )
        self._broken = False
        self.close()
        return journal

    def write(self, journal: Journal) -> None:
        """Keep this with what is pending."""
        self._pending.journal.add(journal)

    def forget(self, entities: Iterable[Aggregate] | None = None) -> None:
        """Let go of them, or of everything that was got or added; it has to be flushed."""
        for entity in [*self._met.values()] if entities is None else entities:
            self._held.pop((type(entity), entity.id), None)
            self._met.pop(id(entity), None)

    def close(self) -> None:
        self.database.locks.release(self)

    @contextmanager
    def undoing(self) -> Iterator[None]:
        """Put everything back, the caller's own objects included, if the block raises."""
        before = {key: (held.entity, held.state) for key, held in self._held.items()}
        pending, doomed = self._pending.copy(), {*self._doomed}
        try:
            yield
        except BaseException:
            for key in [key for key in self._held if key not in before]:
                held = self._held.pop(key)
                committed = self.database.get(*key)
                if committed is not None:
                    state = state_of(committed)
                    restore(held.entity, state)
                    self._hold(key, held.entity, state)
            for key, (entity, before_state) in before.items():
                restore(entity, before_state or {})
                self._held[key] = _Held(entity, before_state)
            self._pending, self._doomed, self._broken = pending, doomed, False
            raise

    async def claim(self, key: RequestKey) -> StoredAnswer | None:
        await self.database.locks.take(key, self)
        return self._pending.answers.get(key) or self.database.answers.get(key)

    async def purge(self, expired: Callable[[StoredAnswer], bool], most: int) -> int:
        """Forget answers that nobody holds the key of, the oldest first."""
        answers, locks = self.database.answers, self.database.locks
        found = [
            key
            for key, stored in sorted(answers.items(), key=lambda item: item[1].until)
            if expired(stored) and not locks.is_held(key)
        ][:most]
        for key in found:
            await locks.take(key, self)
        self._pending.purged.update(found)
        return len(found)

    def keep(self, key: RequestKey, stored: StoredAnswer) -> None:
        self._pending.answers[key] = stored

    async def _locked(self, kind: type[A], id: UUID) -> A | None:
        await self.database.locks.take((kind, id), self)
        self._refresh((kind, id))
        return self._load(kind, id)

    def _load(self, kind: type[A], id: UUID) -> A | None:
        key = (kind, id)
        if key in self._pending.removed:
            return None
        if key not in self._held:
            stored = self._pending.stored.get(key) or self.database.get(kind, id)
            if stored is None:
                return None
            state = state_of(stored)
            self._hold(key, entity_of(kind, state), state)
        return cast(A, self._held[key].entity)

    def _hold(self, key: Key, entity: Aggregate, state: State) -> None:
        self._held[key] = _Held(entity, state)
        self._met[id(entity)] = entity

    def _refresh(self, key: Key) -> None:
        """Show the committed state in the object that the caller may hold already."""
        if key in self._held and key not in self._pending.stored:
            entity = self._held.pop(key).entity
            committed = self.database.get(*key)
            if committed is not None:
                state = state_of(committed)
                restore(entity, state)
                self._hold(key, entity, state)

    async def _flush_state(self, key: Key, held: _Held) -> None:
        entity = held.entity
        await self.database.locks.take(key, self)
        self._check_version(key, held.state)
        self._take_over(key, held)
        await self._flush_uniques(entity, held.state)
        entity.version = 1 if held.state is None else entity.version + 1
        held.state = state_of(entity)
        self._pending.stored[key] = entity_of(key[0], held.state)

    def _check_version(self, key: Key, read: State | None) -> None:
        if read is not None and key not in self._pending.stored:
            current = self.database.get(*key)
            if current is None or current.version != read["version"]:
                raise StaleWrite

    def _take_over(self, key: Key, held: _Held) -> None:
        """What was amended since it was read, as an UPDATE leaves alone what it does not name."""
        committed = self.database.get(*key)
        if held.state is None or committed is None or key in self._pending.stored:
            return
        before, now = held.state, state_of(held.entity)
        amended = {
            name: value
            for name, value in state_of(committed).items()
            if value != before[name] and now[name] == before[name]
        }
        restore(held.entity, amended)

    async def _flush_uniques(self, entity: Aggregate, before: State | None) -> None:
        if before is not None:
            self._free(entity_of(type(entity), before))
        for unique, key in self.database.uniques_of(entity):
            await self.database.locks.take((unique.name, key), self)
            place = (unique.name, key)
            owner = self._pending.uniques.get(place)
            if owner is None and place not in self._pending.freed:
                owner = self.database.owner(unique, key)
            if owner not in (None, entity.id):
                raise unique.violated()
            self._pending.uniques[place] = entity.id
            self._pending.freed.discard(place)

    def _free(self, entity: Aggregate) -> None:
        for unique, key in self.database.uniques_of(entity):
            self._pending.uniques.pop((unique.name, key), None)
            self._pending.freed.add((unique.name, key))

    async def _flush_removal(self, key: Key) -> None:
        await self.database.locks.take(key, self)
        held = self._held.pop(key)
        self._check_version(key, held.state)
        if held.state is not None:
            self._free(entity_of(key[0], held.state))
        self._pending.stored.pop(key, None)
        self._pending.removed.add(key)


def _in_flush_order(item: tuple[Key, _Held]) -> tuple[bool, str, UUID]:
    """What is new comes last, for it may take a name that something else gives up."""
    key, held = item
    return held.state is None, *_by_id(key)


def _by_id(key: Key) -> tuple[str, UUID]:
    return key[0].__name__, key[1]
