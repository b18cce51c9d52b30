from dataclasses import dataclass

from domain.shared.aggregate import Aggregate
from domain.shared.events import Event, Recorded
from domain.shared.ids import new_id
from tests.builders import NOON, a_product


@dataclass(frozen=True, kw_only=True)
class Opened(Event):
    name = "door.opened"


@dataclass(frozen=True, kw_only=True)
class Closed(Event):
    name = "door.closed"


@dataclass(eq=False, kw_only=True)
class Door(Aggregate):
    colour: str = "red"
    width: int = 80


def a_door() -> Door:
    return Door(id=new_id(NOON))


def test_an_aggregate_numbers_what_happened_to_it() -> None:
    door = a_door()
    opened, closed = Opened(at=NOON), Closed(at=NOON)
    door.record(opened)
    door.record(closed)
    assert door.release_events() == [Recorded(1, opened), Recorded(2, closed)]


def test_what_happened_is_told_once_and_the_numbers_go_on() -> None:
    door = a_door()
    door.record(Opened(at=NOON))
    door.release_events()
    assert door.release_events() == []
    door.record(Closed(at=NOON))
    assert [recorded.sequence for recorded in door.release_events()] == [2]
    assert door.sequence == 2


def test_an_aggregate_that_was_loaded_records_as_well() -> None:
    door = Door.__new__(Door)
    door.__dict__.update(id=new_id(NOON), version=3, sequence=7, colour="red", width=80)
    assert door.release_events() == []
    door.record(Opened(at=NOON))
    assert [recorded.sequence for recorded in door.release_events()] == [8]


def test_assigning_tells_what_differed() -> None:
    door = a_door()
    assert door.assign({"colour": "blue", "width": 80}) == ("colour",)
    assert (door.colour, door.width) == ("blue", 80)
    assert door.assign({"colour": "blue"}) == ()
    assert door.assign({}) == ()


def test_two_aggregates_are_two_even_if_they_look_alike() -> None:
    id = new_id(NOON)
    assert Door(id=id) != Door(id=id)
    assert len({a_product(), a_product()}) == 2
