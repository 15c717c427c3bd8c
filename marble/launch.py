"""How does a marble become its program?  Activate, lay down what was given, then `exec`: same process, its own signals.

Exit codes before the program starts are those of design.md, 9; afterwards they are the program's own.
"""

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

from attestation.errors import AttestationError, NoDevice
from attestation.issue import GPUS, SIMULATION, Issuer, find_issuer
from marble.activate import activate, load_expectation
from marble.beside import Watched, stay
from marble.errors import MarbleError, ParametersInvalid, SettingsInvalid
from marble.exchange import Granted
from marble.identity import load_or_create_uuid
from marble.measured import measured_bootstrap, pinned
from marble.parameters import Files, Program, program_of
from marble.renewal import Renewal, clock_text
from marble.settings import COORDINATOR_REFERENCE, INIT_DATA, TTLS_CONFIG, Settings
from marble.waiting import World

INTERRUPTED: Final = 130
TERMINATED: Final = 143
_NO_HARDWARE: Final = (
    f"start it where such hardware is; or, for a trial, set {SIMULATION} to the folder of the simulated vendor that "
    "the coordinator trusts (`enclasp demo --keep` and `enclasp coordinator run --dev` make one)"
)

_SOON: Final = timedelta(days=30)
_ENDLESS: Final = timedelta(days=36_525)
"""MarbleRun's certificates end in 292 years."""

_log = logging.getLogger("marble")


def run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Activate, then become `command` (or the manifest's Argv).  Returns only if that fails: the exit code.

    command: program and arguments; the program is also what simulated Evidence measures.
    environ: the launcher's variables; the program gets them under those of the manifest.
    Progress, warnings and the reason of a failure go to stderr.
    """
    _log_to_stderr(as_json=False)
    try:
        settings = _settings(environ, command)
        _log_to_stderr(as_json=settings.json_log)
        _check_program(command, environ)
        granted, renewal = asyncio.run(_activated(settings, command, environ))
        _become(granted, renewal, command, environ)
    except MarbleError as error:
        _log.error("%s: %s", error.code, error)
        return error.exit_code
    except (KeyboardInterrupt, asyncio.CancelledError) as stop:
        return INTERRUPTED if isinstance(stop, KeyboardInterrupt) else TERMINATED


def _settings(environ: Mapping[str, str], command: Sequence[str]) -> Settings:
    """What init-data says that was measured at launch, and what the environment says beside it."""
    if not environ.get(INIT_DATA):
        return Settings.from_environ(environ)
    issuer = _issuer({**environ, GPUS: ""}, command)
    if issuer is None:
        raise SettingsInvalid("K696", f"{INIT_DATA} is set, and there is no hardware that could have measured it")
    now = datetime.now(UTC)  # noqa: TID251 - shell: reads the clock
    told = measured_bootstrap(environ, issuer, now=now, entropy=os.urandom)  # noqa: TID251 - shell: draws a challenge
    if told is None:
        return Settings.from_environ(environ)
    settings = told.settings(environ)
    _log.info(
        "by measured init-data this is a marble of type %s, its coordinator at %s",
        told.marble_type,
        settings.coordinator,
    )
    return settings


async def _activated(settings: Settings, program: Sequence[str], environ: Mapping[str, str]) -> tuple[Granted, Renewal]:
    """Everything up to the answer; SIGTERM ends it, also for a launcher that is process 1 of its container."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    expected = load_expectation(settings.coordinator_trust) if settings.coordinator_trust else None
    if expected is None:
        _log.warning("the coordinator will not be verified: %s is not set", COORDINATOR_REFERENCE)
    marble_uuid, world = load_or_create_uuid(Path(settings.uuid_file), uuid.uuid4), World()
    issuer = _issuer(environ, program)
    if issuer is not None and environ.get(INIT_DATA):
        issuer = pinned(environ, issuer)
    granted = await activate(settings, marble_uuid, issuer, expected, world)
    return granted, Renewal(settings, marble_uuid, issuer, world)


def _issuer(environ: Mapping[str, str], program: Sequence[str]) -> Issuer | None:
    try:
        issuer = find_issuer(environ, program=program)
    except NoDevice as absent:
        if asked := next((name for name in (SIMULATION, GPUS) if environ.get(name)), None):
            raise SettingsInvalid("A258", f"no evidence can be made, though {asked} asks for it: {absent}") from absent
        _log.warning("no evidence will be sent: %s\n  hint: %s", absent, _NO_HARDWARE)
        return None
    except (AttestationError, OSError) as cause:
        raise SettingsInvalid("A258", f"no evidence can be made: {cause}") from cause
    if issuer.simulated:
        _log.warning("evidence is SIMULATED (%s): it proves nothing about this machine", issuer.kind)
    return issuer


def _check_program(command: Sequence[str], environ: Mapping[str, str]) -> None:
    """So that a typing error costs no activation."""
    if not command:
        raise SettingsInvalid("A256", "expected a command to start, got nothing", "give it after --")
    if shutil.which(command[0], path=environ.get("PATH", os.defpath)) is None:
        raise SettingsInvalid("A256", f"'{command[0]}': expected a program that can be run, found none")


def _become(granted: Granted, renewal: Renewal, command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    parameters = granted.parameters
    program = program_of(parameters, command, environ)
    if TTLS_CONFIG in parameters.env:
        _log.warning("%s is passed on, but no sidecar here terminates TLS: the program has to", TTLS_CONFIG)
    with Files(parameters.files) as files:
        files.lay_down()
        _log.info("activated: %d files, %d variables", len(parameters.files), len(parameters.env))
        _renew_beside(granted, renewal)
        _exec(program)


def _renew_beside(granted: Granted, renewal: Renewal) -> None:
    """Leave somebody behind who renews what can be renewed; say until when certificates are valid."""
    until, again = clock_text(granted.until), granted.renewable
    if again is None:
        left = granted.until - renewal.world.now()
        if left < _ENDLESS:
            say = _log.warning if left < _SOON else _log.info
            say("its certificate ends at %s, and stands in no file: start the program anew before", until)
        return
    try:
        program = Watched()
        stay(program, lambda: renewal.run(granted, program.tell))
    except OSError as cause:
        _log.warning("its certificate ends at %s, and cannot be renewed while the program runs: %s", until, cause)
        return
    then = f", then {again.signal}" if again.signal else ""
    _log.info("its certificate ends at %s; it is renewed before that: %s%s", until, ", ".join(again.files), then)


def _exec(program: Program) -> NoReturn:
    """Never returns.  Python's own changes to signals are taken back, since a program inherits ignored ones."""
    sys.stdout.flush()
    sys.stderr.flush()
    for changed in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(changed, signal.SIG_DFL)
    try:
        os.execvpe(program.argv[0], program.argv, dict(program.environ))
    except OSError as cause:
        raise ParametersInvalid("A283", f"'{program.argv[0]}' cannot be started: {cause.strerror}") from cause


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"time": record.created, "level": record.levelname.lower(), "message": record.getMessage()})


def _log_to_stderr(*, as_json: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if as_json else logging.Formatter("marble: %(message)s"))
    _log.handlers[:] = [handler]
    _log.setLevel(logging.INFO)
    _log.propagate = False
