"""Owners of recovery keys (contract 1.12)."""

from aiohttp import web

from coordinator.rest import errors
from coordinator.rest.call import Call
from coordinator.service import Coordinator
from coordinator.wire import recovery


async def recover_v1(_coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.error(410, "recovery is a part of API v2 only: POST /api/v2/recover")


async def recover_v2(coordinator: Coordinator, call: Call) -> web.Response:
    remaining = await coordinator.recovery.submit(recovery.decode_submission(call.body))
    return errors.success(recovery.progress(remaining))


async def recovery_public_key(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success(recovery.public_key(await coordinator.recovery.public_key()))


async def recovery_standing(coordinator: Coordinator, _call: Call) -> web.Response:
    found = coordinator.recovery.standing()
    return errors.success(
        recovery.standing(
            found.plan,
            waiting=found.waiting,
            given=found.given,
            envelopes=found.custody.envelopes if found.custody is not None else {},
            rehearsed=found.custody.rehearsed if found.custody is not None else {},
            nonce=found.nonce,
            doubt=found.doubt,
        )
    )


async def approve_state(coordinator: Coordinator, call: Call) -> web.Response:
    remaining = await coordinator.recovery.approve(*recovery.decode_approval(call.body))
    return errors.success(recovery.approval_progress(remaining))


async def rehearse_recovery(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.recovery.rehearse(*recovery.decode_rehearsal(call.body))
    return errors.success(None)
