from typing import Annotated, Literal, Self
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from application.identity.queries import UserDetails
from domain.identity import credentials
from domain.identity.user import FULL_NAME_LENGTH, USERNAME_LENGTH
from domain.shared import text
from domain.shared.text import EMAIL_LENGTH
from interfaces.http.schemas import Body, FreeText, Line, Timestamp, View, checked, wrong


def _email(value: str) -> str:
    checked(text.email)(value)
    try:
        # Whether mail arrives there is for a mail to find out, not for a look-up.
        return validate_email(value, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise wrong("is no email address") from None


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


class RegisterUser(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"username": "ada", "email": "ada@example.com", "password": "Engine-No-1"}]
        }
    )

    username: Annotated[
        str, Field(min_length=3, max_length=USERNAME_LENGTH, pattern="^[A-Za-z0-9_]+$")
    ]
    email: EmailText
    password: PasswordText
    full_name: Annotated[str, Line(FULL_NAME_LENGTH)] | None = None


class TokenRequest(BaseModel):
    """RFC 6749 §4.3.2. `username` may be the email address; scope and client are not used."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"grant_type": "password", "username": "ada", "password": "Engine-No-1"}]
        },
    )

    grant_type: Literal["password"]
    username: Annotated[str, FreeText(EMAIL_LENGTH)]
    password: Annotated[str, FreeText(credentials.LONGEST)]
    scope: str = ""
    client_id: str | None = None
    client_secret: str | None = None


class TokenOut(View):
    """RFC 6749 §5.1."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="seconds", examples=[900])


class UserOut(View):
    id: UUID
    username: str
    email: str
    full_name: str | None
    bio: str | None
    role: Literal["customer", "staff", "admin"]
    is_active: bool
    created_at: Timestamp
    updated_at: Timestamp
    last_login_at: Timestamp | None
    version: int

    @classmethod
    def of(cls, user: UserDetails) -> Self:
        return cls.model_validate(user, from_attributes=True)
