import re
import unicodedata
from typing import Final

from domain.shared import text
from domain.shared.errors import InvalidValue

SHORTEST: Final = 8
LONGEST: Final = 128

_DIGIT = re.compile(r"[0-9]")


def password(value: str, *, field: str = "password") -> str:
    """A password that is good enough to be hashed, in NFC so that every keyboard gives the same."""
    composed = unicodedata.normalize("NFC", value)
    if not SHORTEST <= len(composed) <= LONGEST:
        raise InvalidValue(field, f"is not {SHORTEST} to {LONGEST} characters long")
    text.line(field, composed, longest=LONGEST)
    if not any(letter.isupper() for letter in composed):
        raise InvalidValue(field, "has no upper-case letter")
    if not _DIGIT.search(composed):
        raise InvalidValue(field, "has no digit")
    return composed
