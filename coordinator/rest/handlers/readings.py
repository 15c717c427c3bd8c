"""Secrets that are read only with the approval of others (docs/decisions/0016)."""

from typing import Any

from aiohttp import web

from coordinator.clerks.readings import Asked
from coordinator.decisions.errors import UnknownUser
from coordinator.manifest.signature import DetachedSignature, SignatureFormatError, Subject, parse_signature
from coordinator.rest import errors
from coordinator.rest.call import Call
from coordinator.rest.handlers.secrets import documents
from coordinator.service import Coordinator
from coordinator.wire import read_requests, v2


async def requests(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success({"requests": [_standing(asked) for asked in coordinator.readings.open()]})


async def ask(coordinator: Coordinator, call: Call) -> web.Response:
    return errors.success(_standing(await coordinator.readings.ask(call.user, read_requests.decode_ask(call.body))))


async def approve(coordinator: Coordinator, call: Call) -> web.Response:
    name, signatures = _approval(call)
    return errors.success(_standing(await coordinator.readings.approve(call.user, name, signatures)))


async def withdraw(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.readings.withdraw(call.user, read_requests.decode_id(call.body))
    return errors.success(None)


async def read(coordinator: Coordinator, call: Call) -> web.Response:
    values = await coordinator.readings.read(call.user, read_requests.decode_names(call.body))
    return errors.success({"secrets": documents(values)})


def _standing(asked: Asked) -> dict[str, Any]:
    request, standing = asked.request, asked.standing
    return read_requests.standing(
        request.raw,
        request.document,
        requested_ms=request.requested_ms,
        approved=[(approval.user, approval.time_ms, bool(approval.signature)) for approval in request.approvals],
        wanted=standing.wanted,
        granted=standing.granted,
        times_read=request.times_read,
    )


def _approval(call: Call) -> tuple[str, tuple[DetachedSignature, ...]]:
    """The request that is approved, and the signatures.  Who is nobody learns that first."""
    nobody = UnknownUser("no certificate of a user of the manifest was shown, and the body has no signature")
    try:
        name, documents = read_requests.decode_approval(call.body)
        signatures = tuple(parse_signature(document, Subject.READ_REQUEST) for document in documents)
    except (v2.BodyInvalid, SignatureFormatError) as cause:
        if not call.user:
            raise nobody from cause
        raise v2.BodyInvalid(str(cause)) from cause
    if not call.user and not signatures:
        raise nobody
    return name, signatures
