"""What Schemathesis must be told of the service: who asks, and what no JSON schema can say."""

import os
import re
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import httpx
import schemathesis

from tests.servers import run_tradepost

# Rules about two values at once, ones that a generator would hardly ever meet, the one that all
# text keeps, and that 1.0 is no integer.
UNTOLD: Final = re.compile(
    r"control character|has no (upper-case letter|lower-case letter|digit)|goes with no cursor"
    r"|has more than \d decimals of \w+|is no plain decimal amount|is no time zone of the IANA"
    r"|has to have either change or set|a \w+ grant needs|valid integer|in the years 1900 to"
)


@schemathesis.auth(refresh_interval=None)
class Administrator:
    """Somebody who may do all; another one as soon as what is tried has taken that away."""

    def __init__(self) -> None:
        self._http = httpx.Client(base_url=os.environ["FUZZED_SHOP"], trust_env=False)
        self._headers: dict[str, str] = {}

    def get(self, case: Any, context: Any) -> dict[str, str]:
        me = self._http.get("/v1/users/me", headers=self._headers)
        if not me.is_success or me.json()["role"] != "admin":
            self._sign_in()
        return self._headers

    def set(self, case: Any, headers: dict[str, str], context: Any) -> None:
        case.headers = {**(case.headers or {}), **headers}

    def _sign_in(self) -> None:
        name = f"fuzz_{token_hex(4)}"
        options = ("--username", name, "--email", f"{name}@example.com")
        run_tradepost("users", "create-admin", *options, environment=os.environ, folder=Path.cwd())
        form = {"grant_type": "password", "username": name}
        form["password"] = os.environ["TRADEPOST_PASSWORD"]
        granted = self._http.post("/v1/auth/token", data=form).raise_for_status().json()
        self._headers = {"Authorization": f"Bearer {granted['access_token']}"}


@schemathesis.check
def what_fits_the_document_is_not_malformed(ctx: Any, response: Any, case: Any) -> None:
    """In the place of `positive_data_acceptance`, which takes no refusal by a business rule."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code in (400, 422):
        problem = response.json()
        told = [each for each in problem.get("errors", ()) if not UNTOLD.search(each["detail"])]
        if problem["code"] in ("validation-error", "malformed-json", "invalid-header"):
            assert not told, f"this fits the document, but {told}"
