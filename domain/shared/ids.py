import os
from datetime import UTC, datetime
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_id(at: datetime) -> UUID:
    """
    A UUIDv7 (RFC 9562 §5.7) of the moment `at`.

    The 12 bits after the milliseconds carry the fraction of a millisecond (§6.2, method 3), so ids
    sort by the microsecond; the other 62 are random.
    """
    elapsed = at - EPOCH
    seconds = elapsed.days * 86_400 + elapsed.seconds
    milliseconds, microseconds = divmod(seconds * 1_000_000 + elapsed.microseconds, 1_000)
    fraction = microseconds * 4_096 // 1_000
    tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail)
