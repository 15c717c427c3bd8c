"""How do the certificates of a program that runs stay valid?  In time, and for as long as it takes, a marble asks anew.

Every time the whole proof again: a nonce, evidence, and the certificate that it has.  Where that has ended meanwhile
(the coordinator was away for too long), it joins anew, which counts as an activation.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from attestation.issue import Issuer
from marble import rpc
from marble.activate import attempt, load_expectation
from marble.errors import MarbleError
from marble.exchange import Exchange, Granted, NoEvidence
from marble.parameters import Files
from marble.renew import Renew
from marble.settings import PRIVATE_KEY, Settings
from marble.trust import root_spki
from marble.waiting import Waiting, World
from pki.certificates import pem

_DUE: Final = 2 / 3
_JITTER: Final = 0.1
_LOOK_SECONDS: Final = 60.0
"""How long one look at the clock holds: a machine may sleep, and its clock be set."""
_LEAST_SECONDS: Final = 1.0
_MOST_PAUSE: Final = (15.0, 900.0)
"""The longest pause between two tries is a twentieth of the lifetime, within these seconds."""

_log = logging.getLogger("marble")


@dataclass(frozen=True, slots=True)
class Renewal:
    """Of one marble; its parts are as for `activate`."""

    settings: Settings
    uuid: UUID
    issuer: Issuer | None
    world: World

    async def run(self, granted: Granted, tell: Callable[[str], None]) -> None:
        """Renew what was granted, until nothing of it can be renewed any more.

        tell: sends the program a signal, by its name.
        """
        laid = _digests(granted)
        while granted.renewable is not None:
            await self._wait_until(due(granted, self.world.now(), self.world.chance()))
            granted, signal = await self._renewed(granted, laid)
            if signal:
                tell(signal)
        _log.warning("the manifest gives this marble nothing any more that can be renewed: its files stay as they are")

    async def _renewed(self, granted: Granted, laid: dict[str, bytes]) -> tuple[Granted, str]:
        """Try until new certificates are in their files; and the signal for the program, or empty.

        laid: what is there; it is kept up to date.
        """
        waiting = Waiting("the certificates are not renewed yet", self.world, _longest_pause(granted))
        while True:
            try:
                granted = await self._ask(granted)
                changed = _lay_down(granted, laid)
                break
            except rpc.RpcFailed as failure:
                await waiting.after(f"{failure.status.name}: {failure.reason}")
            except (MarbleError, NoEvidence) as failure:
                await waiting.after(str(failure))
            except Exception as fault:  # of ours; the next try may do, and without one the certificates end
                await waiting.after(f"unexpected: {type(fault).__name__}")
        signal = granted.renewable.signal if granted.renewable is not None and changed else ""
        then = f", then {signal}" if signal else ""
        _log.info("renewed until %s: %s%s", clock_text(granted.until), ", ".join(changed) or "no file", then)
        return granted, signal

    async def _ask(self, granted: Granted) -> Granted:
        """With the certificate that there is; or, where it has ended, anew.  Raises as `attempt`.

        Ended by our clock too: the refusal alone may be anybody's in between, who would use up `MaxActivations` by it.
        """
        settings, trust = self.settings, self.settings.coordinator_trust
        expected = load_expectation(trust) if trust else None  # collateral ends while a program runs
        pinned = root_spki(granted.identity.coordinator_root)
        leaf, key = pem(granted.identity.leaf), granted.parameters.env[PRIVATE_KEY]
        try:
            async with rpc.connect(settings.coordinator, leaf, key) as channel:
                uuid, now = str(self.uuid), self.world.now
                exchange = Exchange(channel, settings.marble_type, uuid, self.issuer, expected, pinned, now)
                return await Renew(exchange, granted.identity).run()
        except rpc.RpcFailed as failure:
            if failure.status is not rpc.Status.UNAUTHENTICATED or self.world.now() <= granted.until:
                raise
            _log.warning("%s; joining anew, which counts as an activation", failure.reason.partition("\n")[0])
        return await attempt(settings, self.uuid, self.issuer, expected, self.world, pinned=pinned)

    async def _wait_until(self, time: datetime) -> None:
        """No longer than it is until then now: whoever sets the clock back does not put the renewal off."""
        rest = (time - self.world.now()).total_seconds()
        while (left := min(rest, (time - self.world.now()).total_seconds())) > 0:
            pause = min(left, _LOOK_SECONDS)
            await self.world.sleep(pause)
            rest -= pause


def due(granted: Granted, now: datetime, chance: float) -> datetime:
    """When to renew what came just now: after two thirds of what is left of it, or up to a tenth of that earlier.

    So marbles that started together do not come back together.  What is left is no more than the whole lifetime, if our
    clock is behind, and no more than until the end, if our clock is ahead: our peers' clocks are more like ours.
    chance: 0 up to 1.
    """
    left = min(_lifetime(granted), granted.until - now)
    return now + max(left * (_DUE - _JITTER * chance), timedelta(seconds=_LEAST_SECONDS))


def clock_text(time: datetime) -> str:
    """A time for the log, UTC."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _lay_down(granted: Granted, laid: dict[str, bytes]) -> tuple[str, ...]:
    """Put what has changed in its files; their paths.  Raises ParametersInvalid."""
    changed = {path: digest for path, digest in _digests(granted).items() if laid.get(path) != digest}
    with Files({path: granted.parameters.files[path] for path in changed}) as files:
        files.lay_over()
    laid.update(changed)
    return tuple(changed)


def _digests(granted: Granted) -> dict[str, bytes]:
    """SHA-256 of each file that is renewed: its content itself need not stay in memory."""
    files: Mapping[str, bytes] = granted.parameters.files
    paths = granted.renewable.files if granted.renewable is not None else ()
    return {path: hashlib.sha256(files[path]).digest() for path in paths if path in files}


def _longest_pause(granted: Granted) -> float:
    least, most = _MOST_PAUSE
    return min(most, max(least, _lifetime(granted).total_seconds() / 20))


def _lifetime(granted: Granted) -> timedelta:
    return granted.until - granted.identity.leaf.not_valid_before_utc
