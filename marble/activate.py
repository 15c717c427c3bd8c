"""How does a marble join?  Connect, prove, ask; wait while there is nobody or nothing to join yet; judge the answer.

Each attempt has its own key, certificate and Evidence, since a coordinator may take Evidence once only.
"""

import asyncio
import logging
from pathlib import Path, PurePath
from typing import Final
from uuid import UUID

from attestation.anchors import TrustAnchors
from attestation.endorsements import Endorsements, parse_bundle
from attestation.errors import AttestationError
from attestation.issue import Issuer
from attestation.verify import Verifier
from marble import rpc
from marble.errors import ActivationRefused, CoordinatorUnreachable, SettingsInvalid
from marble.exchange import Exchange, Granted, NoEvidence
from marble.identity import make_identity
from marble.join import Join
from marble.reference import parse_reference
from marble.section import ReferenceFormatError
from marble.settings import (
    COORDINATOR_ADDRESS,
    COORDINATOR_COLLATERAL,
    COORDINATOR_REFERENCE,
    COORDINATOR_TRUST,
    CoordinatorTrust,
    Given,
    Settings,
)
from marble.trust import Expectation
from marble.waiting import Waiting, World

MAX_DELAY_SECONDS: Final = 15.0
_TRY_AGAIN: Final = frozenset({rpc.Status.UNAVAILABLE, rpc.Status.FAILED_PRECONDITION, rpc.Status.DEADLINE_EXCEEDED})
_HINTS: Final = {
    rpc.Status.PERMISSION_DENIED: "the coordinator's log has every check with expected and found",
    rpc.Status.INVALID_ARGUMENT: "compare the UUID file with the coordinator's words",
    rpc.Status.UNIMPLEMENTED: "check that EDG_MARBLE_COORDINATOR_ADDR is a coordinator's marble door",
    rpc.Status.INTERNAL: "see the coordinator's log: a template or secret of the manifest, or a fault of its own",
}
_FIX: Final = (
    f"check {COORDINATOR_ADDRESS} (a coordinator's door for marbles is port 2001 unless it was given another; "
    "4433 is for people), that the coordinator runs, and that it has a manifest"
)

_log = logging.getLogger("marble")


async def activate(
    settings: Settings, uuid: UUID, issuer: Issuer | None, expected: Expectation | None, world: World
) -> Granted:
    """Join, and return what the coordinator gave.

    issuer: None sends no Evidence.  expected: None joins any coordinator, as MarbleRun's marbles do.
    Raises ActivationRefused, CoordinatorNotTrusted, or after `settings.timeout_seconds` CoordinatorUnreachable.
    """
    waiting = Waiting(f"waiting for the coordinator at {settings.coordinator}", world, MAX_DELAY_SECONDS)
    _log.info("joining the coordinator at %s as '%s'", settings.coordinator, settings.marble_type)
    try:
        async with asyncio.timeout(settings.timeout_seconds):
            while True:
                try:
                    return await attempt(settings, uuid, issuer, expected, world, pinned=None)
                except rpc.RpcFailed as failure:
                    if failure.status not in _TRY_AGAIN:
                        hint = "" if "hint:" in failure.reason else _HINTS.get(failure.status, "")
                        raise ActivationRefused("A260", failure.status.name, failure.reason, hint) from failure
                    await waiting.after(failure.reason)
                except NoEvidence as failure:
                    await waiting.after(str(failure))
    except TimeoutError as cause:
        raise CoordinatorUnreachable(
            "A270",
            f"no activation at {settings.coordinator} within {settings.timeout_seconds:g} s: {waiting.reason}",
            waiting.advice or _FIX,
        ) from cause
    except asyncio.CancelledError:
        place, reason, advice = settings.coordinator, waiting.reason, waiting.advice or _FIX
        _log.error("stopped before the activation at %s: %s\n  hint: %s", place, reason, advice)
        raise


def load_expectation(trust: CoordinatorTrust) -> Expectation:
    """Read the files that say which coordinator to accept.  Raises SettingsInvalid, which names variable and file."""
    anchors, endorsements = TrustAnchors.genuine(), Endorsements.none()
    try:
        source: tuple[str, PurePath | Given] = (COORDINATOR_REFERENCE, trust.reference)
        references = parse_reference(_content(trust.reference), name=str(trust.reference))
        if trust.trust is not None:
            source = COORDINATOR_TRUST, trust.trust
            anchors = anchors.with_simulated(_content(trust.trust))
        if trust.collateral is not None:
            source = COORDINATOR_COLLATERAL, trust.collateral
            endorsements = parse_bundle(_content(trust.collateral))
    except (OSError, ReferenceFormatError, AttestationError) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else cause
        raise SettingsInvalid("A257", f"{source[0]}: '{source[1]}' cannot be used: {reason}") from cause
    return Expectation(Verifier(anchors, endorsements), references)


def _content(source: PurePath | Given) -> bytes:
    return source.content if isinstance(source, Given) else Path(source).read_bytes()


async def attempt(
    settings: Settings,
    uuid: UUID,
    issuer: Issuer | None,
    expected: Expectation | None,
    world: World,
    *,
    pinned: bytes | None,
) -> Granted:
    """Try once.  pinned: see `Exchange`.  Raises RpcFailed, NoEvidence, CoordinatorNotTrusted."""
    identity = make_identity(settings.dns_names, settings.ip_addresses, now=world.now())
    async with rpc.connect(settings.coordinator, identity.certificate_pem, identity.key_pem) as channel:
        exchange = Exchange(channel, settings.marble_type, str(uuid), issuer, expected, pinned, world.now)
        return await Join(exchange, identity).run()
