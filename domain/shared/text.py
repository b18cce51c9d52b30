"""Text that has been checked: what the functions here return fits its field."""

import re
import unicodedata
from typing import Final, NewType

from domain.shared.errors import InvalidValue

Slug = NewType("Slug", str)
Email = NewType("Email", str)

SLUG_LENGTH: Final = 200
EMAIL_LENGTH: Final = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets
FOLDED_EMAIL_LENGTH: Final = 4 * EMAIL_LENGTH  # folding may lengthen
LOCAL_PART_LENGTH: Final = 64  # RFC 5321 §4.5.3.1.1

# Control characters, and surrogates without a partner, which no UTF-8 can carry.
_NEVER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_END = re.compile(r"[\t\n\r]")
_SLUG = re.compile(r"[a-z0-9-]+")
_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")
_WORD = re.compile(r"[^\W_]+")
_ATOM = r"[^\s@\"(),:;<>\[\]\\.]+"  # RFC 5322 §3.2.3, with the letters of RFC 6532
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_ATOM}(?:\.{_ATOM})+")


def has_control_characters(text: str) -> bool:
    """Whether anything is in the text that no text of this shop may hold, free text included."""
    return _NEVER.search(text) is not None


def text(field: str, value: str, *, longest: int) -> str:
    """Free text: any length up to `longest` code points, tabs and line ends included."""
    # Most texts are printable from end to end, which is quickly seen.
    if not value.isprintable() and has_control_characters(value):
        raise InvalidValue(field, "contains a control character")
    if len(value) > longest:
        raise InvalidValue(field, f"is longer than {longest} characters")
    return value


def line(field: str, value: str, *, longest: int) -> str:
    """One line with something on it."""
    text(field, value, longest=longest)
    if not value.isprintable() and _LINE_END.search(value):
        raise InvalidValue(field, "is more than one line")
    if not value.strip():
        raise InvalidValue(field, "is blank")
    return value


def cut(value: str, *, longest: int) -> str:
    """What can be kept of a text that is not ours to refuse: one line, and not too long."""
    return _LINE_END.sub(" ", _NEVER.sub("", value))[:longest]


def slug(value: str, *, field: str = "slug") -> Slug:
    if len(value) > SLUG_LENGTH or not _SLUG.fullmatch(value):
        raise InvalidValue(field, f"is not 1 to {SLUG_LENGTH} of a-z, 0-9 and -")
    return Slug(value)


def slug_of(name: str, *, otherwise: str) -> Slug:
    """The slug that a name suggests ("Home & Garden" gives "home-garden"), or of `otherwise`."""
    if not name.isascii():
        name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    suggested = _NOT_IN_SLUG.sub("-", name.lower())[:SLUG_LENGTH].strip("-")
    return Slug(suggested or otherwise)


def numbered(slug: Slug, number: str) -> Slug:
    """The slug made different by a number or word at its end."""
    return Slug(f"{slug[: SLUG_LENGTH - 1 - len(number)].rstrip('-')}-{number}")


def email(value: str) -> Email:
    """An address of the everyday form local@domain.tld, in NFC (RFC 6532 §3.1)."""
    # Composed first, for there are characters that become longer by it.
    address = line("email", unicodedata.normalize("NFC", value), longest=EMAIL_LENGTH)
    local_part = address.partition("@")[0]
    if not _EMAIL.fullmatch(address) or len(local_part) > LOCAL_PART_LENGTH:
        raise InvalidValue("email", "is no email address")
    if len(folded(address)) > FOLDED_EMAIL_LENGTH:
        raise InvalidValue("email", "is too long in the form that is compared")
    return Email(address)


def words(*texts: str | None) -> str:
    """Every word of the texts, folded, each with a space before it: ready to be searched in."""
    found = _WORD.findall(" ".join(folded(text) for text in texts if text))
    return "".join(f" {word}" for word in dict.fromkeys(found))


def folded(value: str) -> str:
    """What two spellings of one name have in common: NFKC, then without regard to case."""
    if value.isascii():
        return value.lower()  # which is the same, and most names are
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())
