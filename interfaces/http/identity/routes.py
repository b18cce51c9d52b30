from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Response

from application.identity.queries import UserDetails
from application.identity.registration import Registration
from application.identity.signing_in import SigningIn
from interfaces.http.answers import resource
from interfaces.http.dependencies import use_case
from interfaces.http.identity.schemas import RegisterUser, TokenOut, TokenRequest, UserOut
from interfaces.http.openapi import problems
from interfaces.http.routing import KeyedRoute, StrictRoute, router

RegistrationService = Annotated[Registration, use_case(lambda shop: shop.registration)]
SigningInService = Annotated[SigningIn, use_case(lambda shop: shop.signing_in)]

users = router("/v1/users", "users", KeyedRoute)
auth = router("/v1/auth", "users", StrictRoute)


@users.post(
    "", status_code=HTTPStatus.CREATED, response_model=UserOut, responses=problems("duplicate")
)
async def register_user(body: RegisterUser, registration: RegistrationService) -> Response:
    """Become a customer."""
    user = await registration.register(**body.model_dump())
    view = UserOut.of(UserDetails.of(user))
    return resource(view, HTTPStatus.CREATED, location=f"/v1/users/{user.id}")


@auth.post("/token", response_model=TokenOut, responses=problems("invalid-credentials"))
async def issue_token(
    form: Annotated[TokenRequest, Form()], signing_in: SigningInService
) -> Response:
    """Exchange user name and password for an access token."""
    token = await signing_in.with_password(form.username, form.password)
    view = TokenOut(access_token=token, expires_in=signing_in.tokens.lifetime)
    return Response(
        view.model_dump_json(),
        headers={"Cache-Control": "no-store"},  # RFC 6749 §5.1
        media_type="application/json",
    )
