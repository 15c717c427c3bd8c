"""Secrets that are read only with the approval of others (docs/decisions/0016)."""

from typing import Any

from aiohttp import web

from coordinator.clerks.readings import Asked
from coordinator.manifest.signature import Subject
from coordinator.rest import errors
from coordinator.rest.call import Call
from coordinator.rest.handlers.approvals import read_approval
from coordinator.rest.handlers.secrets import documents
from coordinator.service import Coordinator
from coordinator.wire import read_requests


async def requests(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success({"requests": [_standing(asked) for asked in coordinator.readings.open()]})


async def ask(coordinator: Coordinator, call: Call) -> web.Response:
    return errors.success(_standing(await coordinator.readings.ask(call.user, read_requests.decode_ask(call.body))))


async def approve(coordinator: Coordinator, call: Call) -> web.Response:
    name, signatures = read_approval(call, read_requests.decode_approval, Subject.READ_REQUEST)
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
