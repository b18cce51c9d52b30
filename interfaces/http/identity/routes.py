from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Query, Request, Response

from application.identity.administration import Administration
from application.identity.housekeeping import Housekeeping
from application.identity.profile import Profile
from application.identity.queries import UserDetails, UserFilter
from application.identity.registration import Registration
from application.identity.signing_in import SigningIn
from domain.identity.session import SessionId, SessionNotFound
from domain.identity.user import Role, UserId
from domain.shared import text
from interfaces.http.answers import nothing, resource
from interfaces.http.bulk import BulkOut
from interfaces.http.dependencies import (
    CurrentActor,
    ExpectedVersions,
    KnownVersion,
    use_case,
)
from interfaces.http.identity.schemas import (
    BulkUsers,
    ChangePassword,
    ClearedOut,
    Deactivated,
    DeactivateIdle,
    EmailText,
    PatchProfile,
    PatchUser,
    PutUser,
    RegisterUser,
    RevokeRequest,
    RoleText,
    SessionList,
    SessionOut,
    TokenOut,
    TokenRequest,
    UserOut,
)
from interfaces.http.openapi import problems
from interfaces.http.pages import ListOf, Paging, paging
from interfaces.http.routing import KeyedRoute, StrictRoute, router
from interfaces.http.schemas import Id, QueryBool

RegistrationService = Annotated[Registration, use_case(lambda shop: shop.registration)]
SigningInService = Annotated[SigningIn, use_case(lambda shop: shop.signing_in)]
ProfileService = Annotated[Profile, use_case(lambda shop: shop.profile)]
AdministrationService = Annotated[Administration, use_case(lambda shop: shop.administration)]
HousekeepingService = Annotated[Housekeeping, use_case(lambda shop: shop.housekeeping)]

UserPaging = Annotated[Paging, paging("created_at", "username", usual="-created_at")]
UserList = ListOf[UserOut]

users = router("/v1/users", "users", KeyedRoute)
# Passwords and tokens are no business of the stored answers to idempotency keys.
credentials = router("/v1/users", "users", StrictRoute)
auth = router("/v1/auth", "users", StrictRoute)


@users.post(
    "", status_code=HTTPStatus.CREATED, response_model=UserOut, responses=problems("duplicate")
)
async def register_user(body: RegisterUser, registration: RegistrationService) -> Response:
    """Become a customer."""
    user = await registration.register(body.new_user())
    view = UserOut.of(UserDetails.of(user))
    return resource(view, HTTPStatus.CREATED, location=f"/v1/users/{user.id}")


@users.get("", response_model=UserList, responses=problems("forbidden"))
async def list_users(
    paging: UserPaging,
    actor: CurrentActor,
    administration: AdministrationService,
    is_active: QueryBool | None = None,
    role: RoleText | None = None,
    email: Annotated[EmailText | None, Query(description="exactly, but for its case")] = None,
    q: Annotated[
        str | None,
        Query(min_length=1, max_length=100, description="the beginnings of words of the user"),
    ] = None,
) -> Response:
    """Users, for staff."""
    wanted = UserFilter(
        is_active=is_active,
        role=Role(role) if role else None,
        email_key=text.folded(email) if email else None,
        # What holds no word at all is to be found nowhere, rather than everywhere.
        beginnings=() if q is None else tuple(text.words(q).split()) or (text.folded(q),),
    )
    page = await administration.list(actor, paging.asked, wanted)
    return paging.listed(UserList, page, UserOut.of)


@users.get("/me", response_model=UserOut, dependencies=[KnownVersion])
async def get_own_profile(actor: CurrentActor, profile: ProfileService) -> Response:
    return resource(UserOut.of(await profile.own(actor)))


@users.patch("/me", response_model=UserOut, responses=problems("duplicate", "stale-version"))
async def update_own_profile(
    body: PatchProfile, actor: CurrentActor, profile: ProfileService, expected: ExpectedVersions
) -> Response:
    """Change what is named of one's own profile."""
    user = await profile.revise(actor, body.changes(), expected=expected)
    return resource(UserOut.of(UserDetails.of(user)))


@credentials.post(
    "/me/password",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems("invalid-credentials", "too-many-attempts"),
)
async def change_own_password(
    body: ChangePassword, actor: CurrentActor, profile: ProfileService
) -> Response:
    """Ends every session, this one included."""
    await profile.change_password(actor, old=body.old_password, new=body.new_password)
    return nothing()


@users.get("/me/sessions", response_model=SessionList)
async def list_own_sessions(actor: CurrentActor, profile: ProfileService) -> SessionList:
    """Where one is signed in."""
    sessions = await profile.own_sessions(actor)
    return SessionList(items=[SessionOut.of(session, actor) for session in sessions])


@users.delete("/me/sessions", status_code=HTTPStatus.NO_CONTENT)
async def end_own_sessions(actor: CurrentActor, signing_in: SigningInService) -> Response:
    """Sign out everywhere, here included."""
    await signing_in.end_all(actor)
    return nothing()


@users.delete(
    "/me/sessions/{id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems("session-not-found"),
)
async def end_own_session(id: Id, actor: CurrentActor, signing_in: SigningInService) -> Response:
    """Sign out there."""
    if not await signing_in.end_session(actor, SessionId(id)):
        raise SessionNotFound
    return nothing()


@users.post("/bulk", response_model=BulkOut, responses=problems("duplicate"))
async def create_users(
    body: BulkUsers, actor: CurrentActor, registration: RegistrationService, request: Request
) -> BulkOut:
    """Register many users: all or none, or with `skip` every one that can be."""
    skip = body.on_error == "skip"
    return BulkOut.of(await registration.register_all(actor, body.rows(), skip=skip), request)


@users.post("/bulk/deactivate", response_model=Deactivated)
async def deactivate_idle_users(
    body: DeactivateIdle, actor: CurrentActor, housekeeping: HousekeepingService
) -> Deactivated:
    """Deactivate whoever has not signed in for so long; administrators are left alone."""
    idle = timedelta(days=body.inactive_days)
    return Deactivated(deactivated=await housekeeping.deactivate_idle(actor, idle))


@users.delete("/bulk/inactive", response_model=ClearedOut)
async def delete_inactive_users(
    actor: CurrentActor, housekeeping: HousekeepingService
) -> ClearedOut:
    """Delete the deactivated users that nothing refers to."""
    cleared = await housekeeping.delete_deactivated(actor)
    return ClearedOut(deleted=cleared.deleted, kept=cleared.kept)


@users.get(
    "/{id}",
    response_model=UserOut,
    responses=problems("user-not-found", "forbidden"),
    dependencies=[KnownVersion],
)
async def get_user(id: Id, actor: CurrentActor, administration: AdministrationService) -> Response:
    return resource(UserOut.of(await administration.user(actor, UserId(id))))


@users.patch(
    "/{id}",
    response_model=UserOut,
    responses=problems("user-not-found", "duplicate", "last-admin", "stale-version"),
)
async def update_user(
    id: Id,
    body: PatchUser,
    actor: CurrentActor,
    administration: AdministrationService,
    expected: ExpectedVersions,
) -> Response:
    """Change what is named; a role is for administrators to give."""
    user = await administration.revise(
        actor, UserId(id), body.changes(), role=body.new_role(), expected=expected
    )
    return resource(UserOut.of(UserDetails.of(user)))


@users.put(
    "/{id}",
    response_model=UserOut,
    responses=problems("user-not-found", "duplicate", "last-admin", "stale-version"),
)
async def replace_user(
    id: Id,
    body: PutUser,
    actor: CurrentActor,
    administration: AdministrationService,
    expected: ExpectedVersions,
) -> Response:
    """Replace the whole profile."""
    user = await administration.revise(
        actor, UserId(id), body.changes(), role=body.new_role(), expected=expected
    )
    return resource(UserOut.of(UserDetails.of(user)))


@users.delete(
    "/{id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems("user-not-found", "in-use", "last-admin", "stale-version"),
)
async def delete_user(
    id: Id, actor: CurrentActor, administration: AdministrationService, expected: ExpectedVersions
) -> Response:
    """Only where no order refers to the user: history does not disappear."""
    await administration.delete(actor, UserId(id), expected=expected)
    return nothing()


@users.post(
    "/{id}/deactivate",
    response_model=UserOut,
    responses=problems("user-not-found", "last-admin", "stale-version"),
)
async def deactivate_user(
    id: Id, actor: CurrentActor, administration: AdministrationService, expected: ExpectedVersions
) -> Response:
    """Their sessions end at once, and they cannot sign in."""
    user = await administration.deactivate(actor, UserId(id), expected=expected)
    return resource(UserOut.of(UserDetails.of(user)))


@users.post(
    "/{id}/activate",
    response_model=UserOut,
    responses=problems("user-not-found", "stale-version"),
)
async def activate_user(
    id: Id, actor: CurrentActor, administration: AdministrationService, expected: ExpectedVersions
) -> Response:
    """They may sign in again."""
    user = await administration.activate(actor, UserId(id), expected=expected)
    return resource(UserOut.of(UserDetails.of(user)))


@auth.post(
    "/token",
    response_model=TokenOut,
    responses=problems("invalid-credentials", "too-many-attempts"),
)
async def issue_token(
    form: Annotated[TokenRequest, Form()], signing_in: SigningInService, request: Request
) -> Response:
    """Exchange user name and password, or a refresh token, for new tokens."""
    if form.grant_type == "refresh_token":
        grant = await signing_in.with_refresh_token(form.refresh_token)
    else:
        grant = await signing_in.with_password(
            form.username,
            form.password,
            client=request.headers.get("user-agent"),
            address=request.client.host if request.client else None,
        )
    return Response(TokenOut.of(grant).model_dump_json(), media_type="application/json")


@auth.post("/revoke", status_code=HTTPStatus.NO_CONTENT)
async def revoke_token(
    form: Annotated[RevokeRequest, Form()], signing_in: SigningInService
) -> Response:
    """End the session of this refresh or access token. The answer is always the same."""
    await signing_in.revoke(form.token)
    return nothing()
