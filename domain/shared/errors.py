"""
What can go wrong in this business, by kind:

* DomainError
  x NotFound     the thing is not there, or not for you to see
  x Conflict     the thing is there and is in the way
  x RuleBroken   the request makes no sense
  x Forbidden    you may not
"""

from typing import Any, ClassVar


class DomainError(Exception):
    """A refusal: `code` is its wire name, `details` are the facts a client may act on."""

    code: ClassVar[str]

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details

    @property
    def fault(self) -> tuple[str | None, str]:
        """The field that is to blame, where one is, and what is wrong."""
        return self.details.get("field"), self.details.get("reason", str(self))


class NotFound(DomainError):
    code = "not-found"


class Conflict(DomainError):
    code = "conflict"


class RuleBroken(DomainError):
    """`details["field"]`, where given, names the member that is to blame."""

    code = "rule-broken"


class Forbidden(DomainError):
    code = "forbidden"


class Duplicate(Conflict):
    """Something else already bears this name."""

    code = "duplicate"

    def __init__(self, field: str) -> None:
        super().__init__(f"this {field.replace('_', ' ')} is taken", field=field)


class InvalidValue(RuleBroken):
    """A value that its field cannot hold. The value itself is never repeated."""

    code = "invalid-value"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}", field=field, reason=reason)
