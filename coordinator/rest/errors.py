"""Our error tree to HTTP status and envelope: the only such table (contract 1.5)."""

from aiohttp import web

from coordinator.decisions.errors import (
    GateClosed,
    NeedsApproval,
    NoPendingUpdate,
    NoReadRequest,
    NotApproved,
    ReadRequestRefused,
    Refused,
    ReplicaRefused,
    ShareUnreadable,
    UnknownMarbleCertificate,
    UnknownUser,
    WrongPhase,
)
from coordinator.state.phase import Ask
from coordinator.wire import jsend
from coordinator.wire.v2 import BodyInvalid

JSON = "application/json"

_WRONG_PHASE_V1 = {Ask.SET_MANIFEST: 400, Ask.READ_SECRETS: 400, Ask.WRITE_SECRETS: 400, Ask.UPDATE: 400}


def success(data: object) -> web.Response:
    """HTTP 200."""
    return web.Response(body=jsend.success(data), content_type=JSON)


def error(status: int, message: str) -> web.Response:
    """An error answer; MarbleRun sends its JSON as text/plain and forbids sniffing."""
    return web.Response(
        status=status,
        body=jsend.error(message),
        content_type="text/plain",
        charset="utf-8",
        headers={"X-Content-Type-Options": "nosniff"},
    )


def refused(refusal: Refused | BodyInvalid, version: int, refusal_v1: int) -> web.Response:
    """The answer for a refusal, by API version.  refusal_v1: status of what the route refuses for its content in v1."""
    text = str(refusal)
    if isinstance(refusal, BodyInvalid):
        if version == 1:
            return error(400, text)
        return fail(400, text)
    text = f"{refusal.code} {text}"
    if isinstance(refusal, (UnknownUser, UnknownMarbleCertificate)):
        return error(401, text) if version == 1 else fail(401, text)
    if isinstance(refusal, (GateClosed, NeedsApproval, NotApproved, ReplicaRefused)):
        return error(403, text)
    if isinstance(refusal, (ShareUnreadable, ReadRequestRefused)):
        return fail(400, text)
    if isinstance(refusal, (NoPendingUpdate, NoReadRequest)):
        return error(404, text)
    if version == 2:
        return error(500, text)
    if isinstance(refusal, WrongPhase):
        return error(_WRONG_PHASE_V1.get(refusal.ask, 500), text)
    return error(refusal_v1, text)


def fail(status: int, message: str, data: object = None) -> web.Response:
    """REST v2: the client's fault."""
    return web.Response(status=status, body=jsend.fail(message, data), content_type=JSON)
