"""Every route with who may call it: the one table of the front door (contract 1.4).

What is not in the table is answered 405, as MarbleRun's clients rely on (contract 1.1).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

from aiohttp import web
from multidict import MultiMapping

from coordinator.decisions.errors import QuoteRefused, UnknownUser, WrongPhase
from coordinator.decisions.raise_counter import NOBODY, MarbleName
from coordinator.manifest.signature import ManifestSignature, SignatureFormatError, parse_signature
from coordinator.rest import errors
from coordinator.rest.limits import MANIFEST_BYTES, QUOTE_BYTES, SECRETS_BYTES
from coordinator.service import Coordinator
from coordinator.state.phase import Phase
from coordinator.wire import features, hierarchy, recovery, replicas, secrets, standing, update_log, updates, v1, v2
from coordinator.wire.history import history_document


class Caller(Enum):
    """Who may call a route.  The phase table (state/phase.py) then says when."""

    ANYONE = "anyone who reaches the port"
    SETTER = "whom the configuration names, by key or claim token; where it names nobody, anyone"
    USER = "a user of the manifest, by the certificate that the connection proves"
    APPROVER = "a user of the manifest, by that certificate, or by a detached signature in the body"
    MARBLE = "a marble of the deployment, by the certificate that it got and the connection proves"


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler sees of a request: the parameters behind `?`, the whole body, and who calls.

    user: for a user's route DER of the leaf that the connection proved; else empty, also where only a signature speaks.
    marble: for a marble's route.
    """

    query: MultiMapping[str]
    body: bytes
    user: bytes = b""
    marble: MarbleName = NOBODY


Handler: TypeAlias = Callable[[Coordinator, Call], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row: API version, method, path, caller, handler and the largest body in bytes.

    refusal_v1: the HTTP status, in version 1, of what the Coordinator will not do (contract 1.5).
    """

    version: int
    method: str
    path: str
    caller: Caller
    handler: Handler
    body_limit: int = 64 * 1024
    refusal_v1: int = 400


async def _status_v1(coordinator: Coordinator, _call: Call) -> web.Response:
    phase = coordinator.phase
    return errors.success(v1.status(phase.value, phase.message))


async def _status_v2(coordinator: Coordinator, _call: Call) -> web.Response:
    phase = coordinator.phase
    compatible = phase is Phase.ACCEPTING_MARBLES and coordinator.manifest().compatible
    return errors.success(v2.status(phase.value, phase.message, compatible=compatible))


async def _ready(coordinator: Coordinator, _call: Call) -> web.Response:
    """For an orchestrator's probe, which reads the status only: a coordinator that waits for recovery is alive (it
    answers), and not ready (it serves nobody)."""
    if coordinator.phase is Phase.RECOVERY:
        return errors.error(503, coordinator.phase.message)
    return errors.success(None)


async def _quote_v1(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success(v1.quote(*await coordinator.quote(b"")))


async def _quote_v2(coordinator: Coordinator, call: Call) -> web.Response:
    nonce = v2.decode_nonce(call.query.get("nonce", ""))
    return errors.success(v2.quote(*await coordinator.quote(nonce)))


async def _manifest_v1(coordinator: Coordinator, _call: Call) -> web.Response:
    try:
        deployment = coordinator.manifest()
    except WrongPhase:
        return errors.success(v1.manifest(None, "", None))
    manifest = deployment.manifest
    return errors.success(v1.manifest(deployment.manifest_signature, manifest.fingerprint, manifest.raw))


async def _manifest_v2(coordinator: Coordinator, _call: Call) -> web.Response:
    deployment = coordinator.manifest()
    manifest = deployment.manifest
    return errors.success(
        v2.manifest(deployment.manifest_signature, manifest.fingerprint, manifest.raw, compatible=deployment.compatible)
    )


async def _set_manifest_v1(coordinator: Coordinator, call: Call) -> web.Response:
    owners_secrets = await coordinator.set_manifest(call.body)
    return errors.success(v2.manifest_set(owners_secrets) if owners_secrets else None)


async def _set_manifest_v2(coordinator: Coordinator, call: Call) -> web.Response:
    return errors.success(v2.manifest_set(await coordinator.set_manifest(v2.decode_manifest_set(call.body))))


async def _update_log_v1(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success(update_log.v1(_entries(coordinator)))


async def _update_log_v2(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success(update_log.v2(_entries(coordinator)))


async def _read_secrets_v1(coordinator: Coordinator, call: Call) -> web.Response:
    return errors.success(_read_secrets(coordinator, call))


async def _read_secrets_v2(coordinator: Coordinator, call: Call) -> web.Response:
    return errors.success({"secrets": _read_secrets(coordinator, call)})


async def _write_secrets_v1(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.people.write_secrets(call.user, secrets.decode_v1(call.body))
    return errors.success(None)


async def _write_secrets_v2(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.people.write_secrets(call.user, secrets.decode_v2(call.body))
    return errors.success(None)


async def _recover_v1(_coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.error(410, "recovery is a part of API v2 only: POST /api/v2/recover")


async def _recover_v2(coordinator: Coordinator, call: Call) -> web.Response:
    remaining = await coordinator.recovery.submit(recovery.decode_submission(call.body))
    return errors.success(recovery.progress(remaining))


async def _recovery_public_key(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success(recovery.public_key(await coordinator.recovery.public_key()))


async def _recovery_standing(coordinator: Coordinator, _call: Call) -> web.Response:
    found = coordinator.recovery.standing()
    return errors.success(
        recovery.standing(
            found.plan,
            waiting=found.waiting,
            given=found.given,
            envelopes=found.custody.envelopes if found.custody is not None else {},
            rehearsed=found.custody.rehearsed if found.custody is not None else {},
            nonce=found.nonce,
        )
    )


async def _rehearse_recovery(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.recovery.rehearse(*recovery.decode_rehearsal(call.body))
    return errors.success(None)


async def _journal_standing(coordinator: Coordinator, call: Call) -> web.Response:
    nonce = standing.decode_short_nonce(v2.decode_nonce(call.query.get("nonce", "")))
    sequence = standing.decode_sequence(call.query.get("sequence", ""))
    return errors.success(standing.document(*coordinator.journal_standing(nonce, sequence)))


async def _sign_quote(coordinator: Coordinator, call: Call) -> web.Response:
    coordinator.features.check_sign_quote()
    try:
        signed = coordinator.features.sign_quote(features.decode_sign_quote(call.body))
    except (QuoteRefused, v2.BodyInvalid) as refusal:
        return errors.fail(400, str(refusal), {features.QUOTE_FIELD: str(refusal)})
    return errors.success(features.countersigned(signed.tcb_status, signed.signature))


async def _monotonic_counter(coordinator: Coordinator, call: Call) -> web.Response:
    before = await coordinator.features.raise_counter(call.marble, *features.decode_counter(call.body))
    return errors.success(features.counter(before))


async def _update_v1(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.updates.update(call.user, call.body, ())
    return errors.success(None)


async def _update_v2(coordinator: Coordinator, call: Call) -> web.Response:
    raw, signatures = _approved_document(call)
    outcome = await coordinator.updates.update(call.user, raw, signatures)
    standing = outcome.standing
    return errors.success(updates.applied(standing.missing, standing.users, standing.due, outcome.recovery_secrets))


async def _pending(coordinator: Coordinator, _call: Call) -> web.Response:
    pending = coordinator.updates.pending()
    update = pending.update
    return errors.success(
        updates.pending(
            update.manifest.raw,
            pending.standing.missing,
            pending.standing.users,
            pending.standing.due,
            proposed_by=update.proposed_by,
            approved=[(approval.user, approval.time_ms, bool(approval.signature)) for approval in update.approvals],
            expires=update.expires,
        )
    )


async def _acknowledge_v1(coordinator: Coordinator, call: Call) -> web.Response:
    outcome = await coordinator.updates.acknowledge(call.user, call.body, ())
    return errors.success(updates.message(outcome.standing.missing, outcome.standing.due))


async def _acknowledge_v2(coordinator: Coordinator, call: Call) -> web.Response:
    raw, signatures = _approved_document(call)
    outcome = await coordinator.updates.acknowledge(call.user, raw, signatures)
    standing = outcome.standing
    return errors.success(
        updates.acknowledged(standing.missing, standing.users, standing.due, outcome.recovery_secrets)
    )


async def _cancel_v1(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.updates.cancel(call.user)
    return errors.success(updates.CANCELLED)


async def _cancel_v2(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.updates.cancel(call.user)
    return errors.success({"message": updates.CANCELLED})


async def _hierarchy(coordinator: Coordinator, _call: Call) -> web.Response:
    found = coordinator.hierarchy()
    trusted = [
        hierarchy.intermediate(one.number, one.until, ((seen.marble, seen.uuid) for seen in one.marbles))
        for one in found.trusted
    ]
    return errors.success(hierarchy.document(trusted, ((seen.marble, seen.uuid) for seen in found.cut_off)))


async def _history(coordinator: Coordinator, _call: Call) -> web.Response:
    versions = coordinator.history().versions
    return errors.success(history_document([v.entry for v in versions], [v.raw for v in versions]))


def _approved_document(call: Call) -> tuple[bytes, tuple[ManifestSignature, ...]]:
    """The document of a request and the signatures with it.  Who is nobody learns that first."""
    nobody = UnknownUser("no user's certificate was shown, and the body has no signature")
    try:
        raw, documents = updates.decode(call.body)
        signatures = tuple(parse_signature(document) for document in documents)
    except (v2.BodyInvalid, SignatureFormatError) as cause:
        if not call.user:
            raise nobody from cause
        raise v2.BodyInvalid(str(cause)) from cause
    if not call.user and not signatures:
        raise nobody
    return raw, signatures


async def _replica_challenge(coordinator: Coordinator, _call: Call) -> web.Response:
    return errors.success(replicas.challenge(coordinator.replicas.challenge()))


async def _replica_key(coordinator: Coordinator, call: Call) -> web.Response:
    asked = replicas.decode_key_request(call.body)
    return errors.success(replicas.handed_over(await coordinator.replicas.hand_over(asked)))


async def _replica_copy(coordinator: Coordinator, call: Call) -> web.Response:
    await coordinator.replicas.keep(replicas.decode_copy(call.body))
    return errors.success(None)


def _entries(coordinator: Coordinator) -> list[str]:
    return [update_log.entry(entry.time_ms, entry.update, entry.details) for entry in coordinator.update_log()]


def _read_secrets(coordinator: Coordinator, call: Call) -> dict[str, Any]:
    names = call.query.getall("s", [])
    if not names or not all(names):
        raise v2.BodyInvalid("query: expected s=NAME once for each secret, got none or an empty one")
    return {
        name: secrets.secret_document(
            kind=value.type,
            size=value.size,
            shared=value.shared,
            user_defined=value.user_defined,
            certificate=value.cert_der or b"",
            valid_days=value.valid_days,
            private=value.private,
            public=value.public,
        )
        for name, value in sorted(coordinator.people.read_secrets(call.user, names).items())
    }


_RECOVER_BYTES: Final = 20_480
"""As MarbleRun's (contract 1.12)."""
_BASE64_MANIFEST_BYTES: Final = MANIFEST_BYTES * 4 // 3 + 128 * 1024

ROUTES: Final[tuple[Route, ...]] = (
    Route(1, "GET", "/status", Caller.ANYONE, _status_v1),
    Route(1, "GET", "/quote", Caller.ANYONE, _quote_v1),
    Route(1, "GET", "/manifest", Caller.ANYONE, _manifest_v1),
    Route(1, "POST", "/manifest", Caller.SETTER, _set_manifest_v1, MANIFEST_BYTES),
    Route(1, "GET", "/update", Caller.ANYONE, _update_log_v1),
    Route(1, "POST", "/update", Caller.USER, _update_v1, MANIFEST_BYTES),
    Route(1, "GET", "/update-manifest", Caller.ANYONE, _pending),
    Route(1, "POST", "/update-manifest", Caller.USER, _acknowledge_v1, MANIFEST_BYTES, 500),
    Route(1, "POST", "/update-cancel", Caller.USER, _cancel_v1, refusal_v1=500),
    Route(1, "GET", "/secrets", Caller.USER, _read_secrets_v1),
    Route(1, "POST", "/secrets", Caller.USER, _write_secrets_v1, SECRETS_BYTES),
    Route(2, "GET", "/readyz", Caller.ANYONE, _ready),
    Route(1, "POST", "/recover", Caller.ANYONE, _recover_v1),
    Route(2, "GET", "/api/v2/status", Caller.ANYONE, _status_v2),
    Route(2, "GET", "/api/v2/quote", Caller.ANYONE, _quote_v2),
    Route(2, "GET", "/api/v2/manifest", Caller.ANYONE, _manifest_v2),
    Route(2, "POST", "/api/v2/manifest", Caller.SETTER, _set_manifest_v2, _BASE64_MANIFEST_BYTES),
    Route(2, "GET", "/api/v2/update", Caller.ANYONE, _update_log_v2),
    Route(2, "POST", "/api/v2/update", Caller.APPROVER, _update_v2, _BASE64_MANIFEST_BYTES),
    Route(2, "GET", "/api/v2/update-manifest", Caller.ANYONE, _pending),
    Route(2, "POST", "/api/v2/update-manifest", Caller.APPROVER, _acknowledge_v2, _BASE64_MANIFEST_BYTES),
    Route(2, "POST", "/api/v2/update-cancel", Caller.USER, _cancel_v2),
    Route(2, "GET", "/api/v2/history", Caller.ANYONE, _history),
    Route(2, "GET", "/api/v2/hierarchy", Caller.ANYONE, _hierarchy),
    Route(2, "GET", "/api/v2/secrets", Caller.USER, _read_secrets_v2),
    Route(2, "POST", "/api/v2/secrets", Caller.USER, _write_secrets_v2, SECRETS_BYTES),
    Route(2, "POST", "/api/v2/recover", Caller.ANYONE, _recover_v2, _RECOVER_BYTES),
    Route(2, "GET", "/api/v2/recover/public-key", Caller.ANYONE, _recovery_public_key),
    Route(2, "GET", "/api/v2/recovery", Caller.ANYONE, _recovery_standing),
    Route(2, "POST", "/api/v2/recovery/rehearse", Caller.ANYONE, _rehearse_recovery),
    Route(2, "GET", "/api/v2/journal", Caller.ANYONE, _journal_standing),
    Route(2, "POST", "/api/v2/sign-quote", Caller.ANYONE, _sign_quote, QUOTE_BYTES),
    Route(2, "POST", "/api/v2/monotonic-counter", Caller.MARBLE, _monotonic_counter),
    Route(2, "GET", "/api/v2/replica/challenge", Caller.ANYONE, _replica_challenge),
    Route(2, "POST", "/api/v2/replica/key", Caller.ANYONE, _replica_key),
    Route(2, "POST", "/api/v2/replica/copy", Caller.ANYONE, _replica_copy),
)
