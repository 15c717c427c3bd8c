"""Setting the manifest, and changing it: updates, approvals."""

from aiohttp import web

from coordinator.manifest.signature import Subject
from coordinator.rest import errors
from coordinator.rest.call import Call
from coordinator.rest.handlers.approvals import read_approval
from coordinator.service import Coordinator
from coordinator.wire import updates, v2


async def set_manifest_v1(coordinator: Coordinator, call: Call) -> web.Response:
    owners_secrets = await coordinator.set_manifest(call.body)
    return errors.success(v2.manifest_set(owners_secrets) if owners_secrets else None)


async def set_manifest_v2(coordinator: Coordinator, call: Call) -> web.Response:
    return errors.success(v2.manifest_set(await coordinator.set_manifest(v2.decode_manifest_set(call.body))))


async def update_v1(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.updates.update(call.user, call.body, ())
    return errors.success(None)


async def update_v2(coordinator: Coordinator, call: Call) -> web.Response:
    raw, signatures = read_approval(call, updates.decode, Subject.MANIFEST)
    outcome = await coordinator.updates.update(call.user, raw, signatures)
    standing = outcome.standing
    return errors.success(updates.applied(standing.missing, standing.users, standing.due, outcome.recovery_secrets))


async def pending(coordinator: Coordinator, _call: Call) -> web.Response:
    pending = coordinator.updates.pending()
    update = pending.update
    return errors.success(
        updates.pending(
            update.manifest.raw,
            pending.standing.missing,
            pending.standing.users,
            pending.standing.due,
            proposed_by=update.proposed_by,
            proposed=update.proposed,
            not_before=pending.not_before,
            approved=[(approval.user, approval.time_ms, bool(approval.signature)) for approval in update.approvals],
            expires=update.expires,
        )
    )


async def acknowledge_v1(coordinator: Coordinator, call: Call) -> web.Response:
    outcome = await coordinator.updates.acknowledge(call.user, call.body, ())
    return errors.success(updates.message(outcome.standing.missing, outcome.standing.due))


async def acknowledge_v2(coordinator: Coordinator, call: Call) -> web.Response:
    raw, signatures = read_approval(call, updates.decode, Subject.MANIFEST)
    outcome = await coordinator.updates.acknowledge(call.user, raw, signatures)
    standing = outcome.standing
    return errors.success(
        updates.acknowledged(standing.missing, standing.users, standing.due, outcome.recovery_secrets)
    )


async def cancel_v1(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.updates.cancel(call.user)
    return errors.success(updates.CANCELLED)


async def cancel_v2(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.updates.cancel(call.user)
    return errors.success({"message": updates.CANCELLED})
