import unicodedata
from typing import Annotated, Any, Final, Literal, Self, cast
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from application.identity.actor import Actor
from application.identity.queries import SessionDetails, UserDetails
from application.identity.registration import NewUser
from application.identity.signing_in import Grant
from domain.identity import credentials
from domain.identity.user import (
    BIO_LENGTH,
    FULL_NAME_LENGTH,
    USERNAME_LENGTH,
    Role,
    UserChanges,
)
from domain.shared import text
from domain.shared.errors import DomainError
from domain.shared.text import EMAIL_LENGTH
from interfaces.http.bulk import MOST_ROWS, OR_REJECTED, OnError, RejectedRow
from interfaces.http.schemas import (
    ABSENT,
    Body,
    FreeText,
    Line,
    Timestamp,
    View,
    checked,
    wrong,
)


def _email(value: str) -> str:
    checked(text.email)(value)
    try:
        # Whether mail arrives there is for a mail to find out, not for a look-up.
        return validate_email(value, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise wrong("is no email address") from None


def _normal(value: object) -> object:
    # Full-width letters and the like are other spellings of a name, not other names.
    return unicodedata.normalize("NFKC", value) if isinstance(value, str) else value


UsernameText = Annotated[
    str,
    Field(min_length=3, max_length=USERNAME_LENGTH, pattern="^[A-Za-z0-9_]+$"),
    BeforeValidator(_normal),
]
EmailText = Annotated[
    str,
    Field(max_length=EMAIL_LENGTH),
    AfterValidator(_email),
    WithJsonSchema({"type": "string", "format": "email", "maxLength": EMAIL_LENGTH}),
]
PasswordText = Annotated[
    str,
    Field(min_length=credentials.SHORTEST, max_length=credentials.LONGEST),
    AfterValidator(checked(credentials.password)),
    WithJsonSchema(
        {
            "type": "string",
            "format": "password",
            "minLength": credentials.SHORTEST,
            "maxLength": credentials.LONGEST,
            "description": "with an upper-case letter and a digit",
        }
    ),
]
FullName = Annotated[str, Line(FULL_NAME_LENGTH)]
Bio = Annotated[str, FreeText(BIO_LENGTH)]
RoleText = Literal["customer", "staff", "admin"]

_ADA: Final[dict[str, Any]] = {
    "username": "ada",
    "email": "ada@example.com",
    "password": "Engine-No-1",
}


class RegisterUser(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [_ADA]})

    username: UsernameText
    email: EmailText
    password: PasswordText
    full_name: FullName | None = None

    def new_user(self) -> NewUser:
        return NewUser(**dict(self))


class BulkUser(Body):
    """Without a password the user cannot sign in until they are given one."""

    username: UsernameText
    email: EmailText
    password: PasswordText | None = None
    full_name: FullName | None = None
    role: RoleText = "customer"

    def new_user(self) -> NewUser:
        return NewUser(**{**dict(self), "role": Role(self.role)})


class BulkUsers(Body):
    """Up to 1000 users; `abort` keeps all or none, `skip` keeps the good ones."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_ADA], "on_error": "skip"}]}
    )

    items: Annotated[
        list[Annotated[BulkUser, OR_REJECTED]], Field(min_length=1, max_length=MOST_ROWS)
    ]
    on_error: OnError = "abort"

    def rows(self) -> list[NewUser | DomainError]:
        rows = cast(list[BulkUser | RejectedRow], self.items)
        return [row.new_user() if isinstance(row, BulkUser) else row for row in rows]


class PatchProfile(Body):
    """A merge patch (RFC 7396): what is absent stays, null clears."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"full_name": "Ada Lovelace"}]})

    username: UsernameText = ABSENT
    email: EmailText = ABSENT
    full_name: FullName | None = ABSENT
    bio: Bio | None = ABSENT

    def changes(self) -> UserChanges:
        profile = self.model_dump(exclude_unset=True, exclude={"role"})
        return cast(UserChanges, profile)


class PatchUser(PatchProfile):
    """A merge patch; a role is for administrators to give."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "staff"}]})

    role: RoleText = ABSENT

    def new_role(self) -> Role | None:
        return Role(self.role) if "role" in self.model_fields_set else None


class PutUser(Body):
    """The whole profile; what is left out is cleared. The role stays where it is left out."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"username": "ada", "email": "ada@example.com"}]}
    )

    username: UsernameText
    email: EmailText
    full_name: FullName | None = None
    bio: Bio | None = None
    role: RoleText = ABSENT

    def changes(self) -> UserChanges:
        return cast(UserChanges, self.model_dump(exclude={"role"}))

    def new_role(self) -> Role | None:
        return Role(self.role) if "role" in self.model_fields_set else None


class ChangePassword(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"old_password": "Engine-No-1", "new_password": "Engine-No-2"}]
        }
    )

    old_password: Annotated[str, FreeText(credentials.LONGEST)]
    new_password: PasswordText


class DeactivateIdle(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"inactive_days": 90}]})

    inactive_days: Annotated[int, Field(ge=1, le=36_500)]


class Deactivated(View):
    deactivated: int


class ClearedOut(View):
    deleted: int
    kept: int = Field(description="those that an order, payment or transfer refers to")


class TokenRequest(BaseModel):
    """
    RFC 6749 §4.3.2 and §6. `username` may be the email address; scope and client are not used.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"grant_type": "password", "username": "ada", "password": "Engine-No-1"}]
        },
    )

    grant_type: Literal["password", "refresh_token"]
    username: Annotated[str, FreeText(EMAIL_LENGTH)] = ABSENT
    password: Annotated[str, FreeText(credentials.LONGEST)] = ABSENT
    refresh_token: Annotated[str, FreeText(200)] = ABSENT
    scope: str = ""
    client_id: str | None = None
    client_secret: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        by_password = self.grant_type == "password"
        needed = {"username", "password"} if by_password else {"refresh_token"}
        if not needed <= self.model_fields_set:
            raise wrong(f"a {self.grant_type} grant needs {' and '.join(sorted(needed))}")
        return self


class RevokeRequest(BaseModel):
    """RFC 7009 §2.1."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"token": "01a1fbe9.mUdQ"}]}
    )

    token: Annotated[str, Field(min_length=1)]
    token_type_hint: str | None = None
    client_id: str | None = None
    client_secret: str | None = None


class TokenOut(View):
    """RFC 6749 §5.1. A refresh token works once; its answer has the next."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="seconds", examples=[900])
    refresh_token: str

    @classmethod
    def of(cls, grant: Grant) -> Self:
        return cls(
            access_token=grant.access_token,
            expires_in=grant.expires_in,
            refresh_token=grant.refresh_token,
        )


class SessionOut(View):
    id: UUID
    client: str | None = Field(description="what the client calls itself in User-Agent")
    created_at: Timestamp
    last_used_at: Timestamp
    current: bool = Field(description="whether it is the one that asks")

    @classmethod
    def of(cls, session: SessionDetails, actor: Actor) -> Self:
        return cls(
            id=session.id,
            client=session.client,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            current=session.id == actor.session_id,
        )


class SessionList(View):
    items: list[SessionOut]


class UserOut(View):
    id: UUID
    username: str
    email: str
    full_name: str | None
    bio: str | None
    role: RoleText
    is_active: bool
    created_at: Timestamp
    updated_at: Timestamp
    last_login_at: Timestamp | None
    version: int

    @classmethod
    def of(cls, user: UserDetails) -> Self:
        return cls.model_validate(user, from_attributes=True)
