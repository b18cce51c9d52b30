from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
)

from domain.identity.attempts import Attempts
from domain.identity.session import CLIENT_LENGTH, Session
from domain.identity.user import (
    BIO_LENGTH,
    FULL_NAME_LENGTH,
    USERNAME_LENGTH,
    WORDS_LENGTH,
    EmailTaken,
    Role,
    User,
    UsernameTaken,
)
from domain.shared.text import EMAIL_LENGTH, FOLDED_EMAIL_LENGTH
from infrastructure.sql.schema import (
    VIOLATIONS,
    EnumText,
    UtcDateTime,
    aggregate_columns,
    mappers,
    metadata,
    text,
)

users = Table(
    "users",
    metadata,
    *aggregate_columns(),
    Column("username", text(USERNAME_LENGTH), nullable=False),
    Column("username_key", text(USERNAME_LENGTH), nullable=False),
    Column("email", text(EMAIL_LENGTH), nullable=False),
    Column("email_key", text(FOLDED_EMAIL_LENGTH), nullable=False),
    Column("words", text(WORDS_LENGTH), nullable=False),
    Column("password_hash", text(200), nullable=False),
    Column("full_name", text(FULL_NAME_LENGTH)),
    Column("bio", text(BIO_LENGTH)),
    Column("role", EnumText(Role), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("last_login_at", UtcDateTime),
    UniqueConstraint("username_key"),
    UniqueConstraint("email_key"),
    Index(None, "created_at", "id"),
    Index(None, "username", "id"),
    CheckConstraint("role IN ('customer', 'staff', 'admin')", name="role_known"),
)

sessions = Table(
    "sessions",
    metadata,
    *aggregate_columns(),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("token_hash", text(64), nullable=False),
    Column("client", text(CLIENT_LENGTH)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    *aggregate_columns(),
    Column("failures", Integer, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("blocked_until", UtcDateTime),
)

VIOLATIONS.update(
    {
        "uq_users_username_key": UsernameTaken,
        "uq_users_email_key": EmailTaken,
    }
)


def map_identity() -> None:
    mappers.map_imperatively(User, users, version_id_col=users.c.version)
    mappers.map_imperatively(Session, sessions, version_id_col=sessions.c.version)
    mappers.map_imperatively(Attempts, sign_in_attempts, version_id_col=sign_in_attempts.c.version)
