import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def new_id(at: datetime) -> UUID:
    """
    A UUIDv7 (RFC 9562 §5.7) of the moment `at`.

    The 12 bits after the milliseconds carry the fraction of a millisecond (§6.2, method 3), so ids
    sort by the microsecond; the other 62 are random.
    """
    milliseconds, microseconds = divmod((at - EPOCH) // MICROSECOND, 1_000)
    fraction = microseconds * 4_096 // 1_000
    tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail)
