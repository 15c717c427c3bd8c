"""How does a marble join?  Connect, prove, ask; wait while there is nobody or nothing to join yet; judge the answer.

Each attempt has its own key, certificate and Evidence, since a coordinator may take Evidence once only.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from random import SystemRandom
from typing import Final
from uuid import UUID

from attestation.anchors import TrustAnchors
from attestation.endorsements import Endorsements, parse_bundle
from attestation.errors import AttestationError
from attestation.issue import Issuer
from attestation.verify import Verifier
from marble import rpc
from marble.errors import ActivationRefused, CoordinatorUnreachable, SettingsInvalid
from marble.identity import make_identity
from marble.join import Join, NoEvidence
from marble.protocol import Parameters
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

FIRST_DELAY_SECONDS: Final = 0.5
MAX_DELAY_SECONDS: Final = 15.0
SILENCE_SECONDS: Final = 60.0
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


def _read_clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - shell: reads the clock


@dataclass(frozen=True, slots=True)
class World:
    """What the shell reads from outside: the time (UTC), waiting (seconds), and chance (0 up to 1)."""

    now: Callable[[], datetime] = _read_clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = SystemRandom().random


async def activate(
    settings: Settings, uuid: UUID, issuer: Issuer | None, expected: Expectation | None, world: World
) -> Parameters:
    """Join, and return what the coordinator gave.

    issuer: None sends no Evidence.  expected: None joins any coordinator, as MarbleRun's marbles do.
    Raises ActivationRefused, CoordinatorNotTrusted, or after `settings.timeout_seconds` CoordinatorUnreachable.
    """
    waiting = _Waiting(settings, world)
    _log.info("joining the coordinator at %s as '%s'", settings.coordinator, settings.marble_type)
    try:
        async with asyncio.timeout(settings.timeout_seconds):
            while True:
                try:
                    return await _attempt(settings, uuid, issuer, expected, world)
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
            waiting.advice,
        ) from cause
    except asyncio.CancelledError:
        place, reason, advice = settings.coordinator, waiting.reason, waiting.advice
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


async def _attempt(
    settings: Settings, uuid: UUID, issuer: Issuer | None, expected: Expectation | None, world: World
) -> Parameters:
    identity = make_identity(settings.dns_names, settings.ip_addresses, now=world.now())
    async with rpc.connect(settings.coordinator, identity.certificate_pem, identity.key_pem) as channel:
        return await Join(channel, identity, settings.marble_type, str(uuid), issuer, expected, world.now).run()


class _Waiting:
    """Longer and longer pauses with jitter: a line for each; when they grow no more, for a new reason or each minute.

    A marble may wait for days until somebody sets the manifest.
    """

    def __init__(self, settings: Settings, world: World) -> None:
        self._settings = settings
        self._world = world
        self._longest = FIRST_DELAY_SECONDS
        self._silent_seconds = SILENCE_SECONDS
        self.reason = "no answer yet"
        self.advice = _FIX

    async def after(self, reason: str) -> None:
        """Wait between half and all of the present pause, then double it up to MAX_DELAY_SECONDS.

        Of the reason the first line is told; a hint of the coordinator's is what to do in the end.
        """
        reason, _, hint = reason.partition("\n  hint: ")
        self.advice = hint or _FIX
        reason = reason.partition("\n")[0]
        delay = self._longest * (0.5 + self._world.chance() / 2)
        if self._longest < MAX_DELAY_SECONDS or reason != self.reason or self._silent_seconds >= SILENCE_SECONDS:
            place = self._settings.coordinator
            _log.info("waiting for the coordinator at %s: %s, next try in %.1f s", place, reason, delay)
            self._silent_seconds = 0.0
        self.reason = reason
        self._silent_seconds += delay
        self._longest = min(self._longest * 2, MAX_DELAY_SECONDS)
        await self._world.sleep(delay)
