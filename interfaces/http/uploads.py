"""Bodies that are files: taken in as a stream, and never in memory as a whole."""

from collections.abc import AsyncIterator, Callable, Iterable, Set
from dataclasses import dataclass
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, ClassVar, Final, cast

from fastapi import Request

from application.identity.actor import known
from domain.identity.user import Permission
from interfaces.http.dependencies import actor_of, shop_of
from interfaces.http.problems import Problem
from interfaces.http.routing import RehearsableRoute, StrictRequest, media_type_of

_IN_MEMORY: Final = 1 << 20  # bytes; what is longer goes to a file
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Upload:
    """What was sent, as a file at its beginning."""

    file: BinaryIO
    media_type: str


def uploaded(request: Request) -> Upload:
    """What came with a request to an UploadRoute, from its beginning."""
    upload = cast(Upload, request.state.upload)
    upload.file.seek(0)
    return upload


class UploadRoute(RehearsableRoute):
    """A POST takes a file of one of the `media_types` from those who have the `permission`."""

    media_types: ClassVar[Set[str]]
    permission: ClassVar[Permission]

    @classmethod
    def taking(cls, media_types: Iterable[str], *, of: Permission) -> "type[UploadRoute]":
        return type(cls.__name__, (cls,), {"media_types": {*media_types}, "permission": of})

    def _is_plain(self) -> bool:
        return False  # what was streamed cannot be received once more

    async def take_in(self, request: StrictRequest) -> Callable[[], Any]:
        if request.method != "POST":
            return await super().take_in(request)
        # Before it is taken in, which is work.
        actor = await shop_of(request).runner()(lambda: actor_of(request))
        known(actor).require(self.permission)
        media_type = media_type_of(request, self.media_types)
        file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (who asked closes it)
        try:
            async for chunk in request.stream():
                file.write(chunk)
        except BaseException:
            file.close()
            raise
        if not file.tell():
            file.close()
            raise Problem(HTTPStatus.BAD_REQUEST, "malformed-file", "the body is empty")
        request.state.upload = Upload(cast(BinaryIO, file), media_type)
        return file.close

    async def sent(self, request: Request) -> AsyncIterator[bytes]:
        upload = uploaded(request)
        while chunk := upload.file.read(_CHUNK):
            yield chunk
