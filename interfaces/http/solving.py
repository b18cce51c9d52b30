"""
The parameters of an operation, found without the detours of the framework.

FastAPI looks at every request as if it had never seen the operation. What it found out about the
operation when it was declared is here made into a plan once; the framework itself is asked only
where something is wrong with a request, to say what.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, Final, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.security.base import SecurityBase
from starlette.datastructures import Headers, QueryParams

Values = dict[str, Any]

_ABSENT: Final = object()


class Unsolved(Exception):
    """Something does not fit, or is not planned for."""


def declared_only(dependency: Callable[..., Any]) -> Callable[..., Any]:
    """Marks what is there for the document alone: nobody has to call it."""
    dependency.declared_only = True  # type: ignore[attr-defined]
    return dependency


@dataclass(frozen=True, slots=True)
class _Field:
    """One parameter: where it is called `alias`, it is handed over as `name`."""

    name: str
    alias: str
    is_list: bool
    default: Any  # which nobody changes, so that all may have the same
    field: Any

    @classmethod
    def of(cls, field: Any, *, hyphened: bool = False) -> "_Field":
        alias = field.validation_alias or field.alias
        if hyphened and alias == field.name:
            alias = alias.replace("_", "-")
        is_list = get_origin(field.field_info.annotation) in (list, Sequence)
        default = _ABSENT if field.field_info.is_required() else field.get_default()
        return cls(field.name, alias, is_list, default, field)

    def value(self, given: QueryParams | Headers | Mapping[str, Any]) -> Any:
        if self.is_list and isinstance(given, QueryParams | Headers):
            found: Any = given.getlist(self.alias) or _ABSENT
        else:
            found = given.get(self.alias, _ABSENT)
        if found is not _ABSENT:
            return self.fit(found)
        if self.default is _ABSENT:
            raise Unsolved
        return self.default

    def fit(self, found: Any) -> Any:
        value, errors = self.field.validate(found, {}, loc=())
        if errors:
            raise Unsolved
        return value


@dataclass(frozen=True, slots=True)
class Plan:
    """How to come by the arguments of one function, and of those that it depends on."""

    call: Callable[..., Any]
    request_name: str | None
    path: Sequence[_Field]
    query: Sequence[_Field]
    headers: Sequence[_Field]
    body: _Field | None
    parts: Sequence[tuple[str, "Plan | None"]]

    @classmethod
    def of(cls, dependant: Dependant) -> "Plan | None":
        """The plan for what FastAPI knows of a function; None where that is more than usual."""
        unusual = (
            dependant.cookie_params,
            dependant.websocket_param_name,
            dependant.http_connection_param_name,
            dependant.response_param_name,
            dependant.background_tasks_param_name,
            dependant.security_scopes_param_name,
        )
        call = dependant.call
        if any(unusual) or len(dependant.body_params) > 1 or not iscoroutinefunction(call):
            return None
        parts: list[tuple[str, Plan | None]] = []
        for part in dependant.dependencies:
            if getattr(part.call, "declared_only", False) and part.name is None:
                continue
            is_scheme = isinstance(part.call, SecurityBase)
            plan = None if is_scheme else cls.of(part)
            if plan is None and not is_scheme:
                return None
            parts.append((part.name or "", plan))
        return cls(
            call=call,
            request_name=dependant.request_param_name,
            path=[_Field.of(field) for field in dependant.path_params],
            query=[_Field.of(field) for field in dependant.query_params],
            headers=[_Field.of(field, hyphened=True) for field in dependant.header_params],
            body=_Field.of(dependant.body_params[0]) if dependant.body_params else None,
            parts=parts,
        )

    async def arguments(self, request: Request, body: Callable[[], Awaitable[Any]]) -> Values:
        """All that the function wants, or Unsolved."""
        values: Values = {}
        if self.request_name:
            values[self.request_name] = request
        for name, part in self.parts:
            # A security scheme is there for the document: who asks is found out elsewhere.
            found = await part.call(**await part.arguments(request, body)) if part else None
            if name:
                values[name] = found
        for field in self.path:
            values[field.name] = field.value(request.path_params)
        for field in self.query:
            values[field.name] = field.value(request.query_params)
        for field in self.headers:
            values[field.name] = field.value(request.headers)
        if self.body:
            values[self.body.name] = self.body.fit(await body())
        return values
