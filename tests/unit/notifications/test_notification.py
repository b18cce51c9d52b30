from datetime import timedelta
from uuid import uuid4

import pytest

from domain.identity.user import UserId
from domain.notifications.notification import MESSAGE_LENGTH, Notification
from domain.shared.errors import InvalidValue
from tests.builders import NOON, a_notification

LATER = NOON + timedelta(hours=1)


def test_a_notification_tells_somebody_something_and_is_not_read_yet() -> None:
    user_id, order_id = UserId(uuid4()), uuid4()
    told = Notification.write(user_id, "Your order is here.", order_id=order_id, at=NOON)
    assert (told.user_id, told.order_id, told.message) == (user_id, order_id, "Your order is here.")
    assert (told.created_at, told.read_at) == (NOON, None)


def test_it_need_not_be_about_an_order() -> None:
    assert a_notification().order_id is None


def test_the_first_time_that_it_is_read_stays() -> None:
    told = a_notification()
    told.read(at=LATER)
    told.read(at=LATER + timedelta(hours=1))
    assert told.read_at == LATER


def test_nothing_that_happens_to_it_is_news_in_turn() -> None:
    told = a_notification()
    told.read(at=LATER)
    assert (told.sequence, told.release_events()) == (0, [])


def test_a_message_is_as_long_as_it_may_be() -> None:
    assert a_notification(message="ß" * MESSAGE_LENGTH).message == "ß" * MESSAGE_LENGTH


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (" ", "is blank"),
        ("one\ntwo", "is more than one line"),
        ("\0", "contains a control character"),
        ("x" * (MESSAGE_LENGTH + 1), "is longer than 500 characters"),
    ],
)
def test_a_message_is_one_line_of_text(message: str, reason: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        a_notification(message=message)
    assert refused.value.details == {"field": "message", "reason": reason}
