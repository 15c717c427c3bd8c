"""What stands: the phase, evidence, the manifest and its history, the hierarchy, the journal."""

from aiohttp import web

from coordinator.decisions.errors import WrongPhase
from coordinator.rest import errors
from coordinator.rest.call import Call
from coordinator.service import Coordinator
from coordinator.state.phase import Phase
from coordinator.wire import configuration as configuration_wire
from coordinator.wire import hierarchy as hierarchy_wire
from coordinator.wire import marbles as marbles_wire
from coordinator.wire import standing, update_log, v1, v2
from coordinator.wire.history import history_document


async def status_v1(coordinator: Coordinator, _call: Call) -> web.Response:
    phase = coordinator.phase
    return errors.success(v1.status(phase.value, coordinator.message))


async def status_v2(coordinator: Coordinator, _call: Call) -> web.Response:
    phase = coordinator.phase
    compatible = phase is Phase.ACCEPTING_MARBLES and coordinator.manifest().compatible
    data = v2.status(phase.value, coordinator.message, compatible=compatible)
    if phase is Phase.ACCEPTING_MARBLES and coordinator.shares:
        data |= v2.known_at_start(coordinator.known)
    return errors.success(data)


async def ready(coordinator: Coordinator, _call: Call) -> web.Response:
    """For an orchestrator's probe, which reads the status only: a coordinator that waits for recovery is alive (it
    answers), and not ready (it serves nobody)."""
    if coordinator.phase is Phase.RECOVERY:
        return errors.error(503, coordinator.message)
    return errors.success(None)


async def quote_v1(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success(v1.quote(*await coordinator.quote(b"")))


async def quote_v2(coordinator: Coordinator, call: Call) -> web.Response:
    nonce = v2.decode_nonce(call.query.get("nonce", ""))
    return errors.success(v2.quote(*await coordinator.quote(nonce)))


async def configuration(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success(configuration_wire.document(coordinator.told))


async def manifest_v1(coordinator: Coordinator, _call: Call) -> web.Response:
    try:
        deployment = coordinator.manifest()
    except WrongPhase:
        return errors.success(v1.manifest(None, "", None))
    manifest = deployment.manifest
    return errors.success(v1.manifest(deployment.manifest_signature, manifest.fingerprint, manifest.raw))


async def manifest_v2(coordinator: Coordinator, _call: Call) -> web.Response:
    deployment = coordinator.manifest()
    manifest = deployment.manifest
    return errors.success(
        v2.manifest(deployment.manifest_signature, manifest.fingerprint, manifest.raw, compatible=deployment.compatible)
    )


async def update_log_v1(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success(update_log.v1(_entries(coordinator)))


async def update_log_v2(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success(update_log.v2(_entries(coordinator)))


async def history(coordinator: Coordinator, _call: Call) -> web.Response:
    versions = coordinator.history().versions
    return errors.success(history_document([v.entry for v in versions], [v.raw for v in versions]))


async def hierarchy(coordinator: Coordinator, _call: Call) -> web.Response:
    found = coordinator.hierarchy()
    trusted = [
        hierarchy_wire.intermediate(one.number, one.until, ((seen.marble, seen.uuid) for seen in one.marbles))
        for one in found.trusted
    ]
    return errors.success(hierarchy_wire.document(trusted, ((seen.marble, seen.uuid) for seen in found.cut_off)))


async def marbles(coordinator: Coordinator, call: Call) -> web.Response:
    most = marbles_wire.decode_limit(call.query.get("limit", ""))
    return errors.success(marbles_wire.document(coordinator.marbles(most, call.query.get("type", ""))))


async def journal_standing(coordinator: Coordinator, call: Call) -> web.Response:
    nonce = standing.decode_short_nonce(v2.decode_nonce(call.query.get("nonce", "")))
    sequence = standing.decode_sequence(call.query.get("sequence", ""))
    return errors.success(standing.document(*coordinator.journal_standing(nonce, sequence)))


def _entries(coordinator: Coordinator) -> list[str]:
    return [update_log.entry(entry.time_ms, entry.update, entry.details) for entry in coordinator.update_log()]
