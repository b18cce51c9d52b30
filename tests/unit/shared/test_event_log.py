import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from uuid import UUID

from domain.catalog.events import ProductChanged
from domain.identity.events import UserRegistered
from domain.identity.user import Role
from domain.ordering.events import OrderPlaced, Quantity
from domain.shared.aggregate import Aggregate
from domain.shared.events import Event
from domain.shared.money import Money
from infrastructure.event_log import EventLog, Journal, payload
from tests.builders import NOON, a_category, a_product, gbp, money

ID = UUID("019cec37-b600-7000-872d-b3f82edb26fe")
OTHER_ID = UUID("019cec37-b600-7000-8744-b19030953753")


class Mishap(Exception):
    pass


def test_an_event_is_told_in_the_spelling_of_the_http_api() -> None:
    placed = OrderPlaced(
        order_id=ID,
        number="ORD-20260314-R5MANJB1",
        customer_id=OTHER_ID,
        total=gbp("19.98"),
        items=(Quantity(product_id=OTHER_ID, sku="MUG", quantity=2),),
        actor_id=OTHER_ID,
        at=NOON,
    )
    assert payload(placed) == {
        "order_id": "019cec37-b600-7000-872d-b3f82edb26fe",
        "actor_id": "019cec37-b600-7000-8744-b19030953753",
        "request_id": None,
        "number": "ORD-20260314-R5MANJB1",
        "customer_id": "019cec37-b600-7000-8744-b19030953753",
        "total": {"amount": "19.98", "currency": "GBP"},
        "items": [
            {"product_id": "019cec37-b600-7000-8744-b19030953753", "sku": "MUG", "quantity": 2}
        ],
    }


def test_fields_that_changed_and_a_yen_price_are_told_as_json() -> None:
    changed = ProductChanged(
        product_id=ID, sku="MUG", fields=("name", "price"), price=money("80", "JPY"), at=NOON
    )
    assert payload(changed) == {
        "product_id": str(ID),
        "sku": "MUG",
        "fields": ["name", "price"],
        "price": {"amount": "80", "currency": "JPY"},
    }


def test_a_role_is_told_as_its_plain_word() -> None:
    told = payload(UserRegistered(user_id=ID, role=Role.STAFF, at=NOON))
    assert type(told["role"]) is str
    assert told["role"] == "staff"


@dataclass(frozen=True, kw_only=True)
class Everything(Event):
    name = "everything.happened"
    nothing: str | None
    yes: bool
    many: int
    when: datetime
    amounts: tuple[Money, ...]


def test_times_are_told_in_utc_to_the_microsecond() -> None:
    tokyo = timezone(timedelta(hours=9))
    told = payload(
        Everything(
            nothing=None,
            yes=True,
            many=2**60,
            when=datetime(2026, 3, 14, 21, 0, 0, 1, tzinfo=tokyo),
            amounts=(gbp("1"),),
            at=NOON,
        )
    )
    assert told == {
        "nothing": None,
        "yes": True,
        "many": 2**60,
        "when": "2026-03-14T12:00:00.000001Z",
        "amounts": [{"amount": "1.00", "currency": "GBP"}],
    }
    assert json.loads(json.dumps(told)) == told


def test_an_entry_says_what_happened_to_whom_and_when() -> None:
    product = a_product(sku_text="MUG")
    [entry] = EventLog(lambda: [product]).drain().events
    assert (entry.type, entry.aggregate_id, entry.sequence, entry.at) == (
        "product.created",
        product.id,
        1,
        NOON,
    )
    assert entry.id.version == 7
    assert entry.payload["sku"] == "MUG"


def test_what_was_drained_is_not_told_again() -> None:
    product = a_product()
    log = EventLog(lambda: [product])
    assert len(log.drain().events) == 1
    assert log.drain() == Journal()
    product.delete(at=NOON)
    assert [entry.type for entry in log.drain().events] == ["product.deleted"]


def test_what_happened_in_a_block_that_failed_is_forgotten() -> None:
    product, category = a_product(), a_category()
    met: list[Aggregate] = [product]
    log = EventLog(lambda: met)
    with suppress(Mishap), log.rewinding():
        met.append(category)
        product.delete(at=NOON)
        raise Mishap
    assert [entry.type for entry in log.drain().events] == ["product.created"]


def test_what_happened_in_a_block_that_went_well_stays() -> None:
    product, category = a_product(), a_category()
    met: list[Aggregate] = [product]
    log = EventLog(lambda: met)
    with log.rewinding():
        met.append(category)
        with suppress(Mishap), log.rewinding():
            product.delete(at=NOON)
            raise Mishap
    assert [entry.type for entry in log.drain().events] == ["product.created", "category.created"]
