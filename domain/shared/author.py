from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Author:
    """
    Who does something, and in which request, where it is one.

    Whoever operates the shop's own machine is no user: theirs is the nil UUID (RFC 9562 §5.9).
    """

    actor_id: UUID
    request_id: str | None = None

    @property
    def user_id(self) -> UUID | None:
        """The user that it is; None for the operator."""
        return self.actor_id if self.actor_id.int else None
