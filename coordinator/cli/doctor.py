"""`enclasp doctor`: does this machine have what Enclasp needs?"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, reports
from coordinator.cli.output import Output, paint

OK: Final = "ok"
WARNING: Final = "warning"
ERROR: Final = "error"

_MARKS: Final[Mapping[str, tuple[str, str]]] = {OK: ("✓", "green"), WARNING: ("‼", "yellow"), ERROR: ("✗", "red")}
_DEVICES: Final[Mapping[str, str]] = {
    "/dev/sgx_enclave": "sgx",
    "/dev/attestation/quote": "sgx (Gramine)",
    "/dev/tdx_guest": "tdx",
    "/sys/kernel/config/tsm/report": "tdx, sev-snp, cca (configfs-tsm)",
    "/dev/sev-guest": "sev-snp",
    "/dev/nsm": "nitro",
}


@dataclass(frozen=True, slots=True)
class Symptom:
    """group: what it is about.  state: ok, warning or error.  found: what there is.  hint: what to do."""

    group: str
    state: str
    found: str
    hint: str = ""


@click.command()
@click.option("--collateral", type=FILE, envvar="ENCLASP_COLLATERAL", help="A collateral bundle to look at.")
@click.option("--strict", is_flag=True, help="Exit code 9 if there are warnings or errors.")
@reports
def doctor(output: Output, collateral: Path | None, strict: bool) -> int:
    """Look at this machine: Python, libraries, devices, simulation, collateral.

    \b
    enclasp doctor
    enclasp doctor --collateral collateral.json --strict -o json
    """
    symptoms = [
        *_python(),
        *_devices(Path.exists),
        *_simulation(os.environ),
        *(_collateral(collateral) if collateral is not None else ()),
    ]
    document = [{"group": s.group, "state": s.state, "found": s.found, "hint": s.hint or None} for s in symptoms]
    output.result(document, "\n".join(_lines(symptoms)))
    return exit_codes.FINDINGS if strict and any(s.state != OK for s in symptoms) else exit_codes.DONE


def _lines(symptoms: list[Symptom]) -> list[str]:
    lines = []
    for symptom in symptoms:
        mark, colour = _MARKS[symptom.state]
        lines.append(f"{symptom.group:<12} {paint(mark, colour)} {symptom.state:<8} {symptom.found}")
        if symptom.hint:
            lines.append(f"{'':<12}   hint: {symptom.hint}")
    return lines


def _python() -> list[Symptom]:
    from importlib.util import find_spec

    import cryptography
    from cryptography.hazmat.backends.openssl.backend import backend

    missing = [name for name in ("aiohttp", "OpenSSL", "prometheus_client") if find_spec(name) is None]
    found = f"{sys.version.split()[0]}, cryptography {cryptography.__version__}, {backend.openssl_version_text()}"
    symptoms = [Symptom("python", OK, found)]
    if missing:
        hint = "only `coordinator run` needs them: pip install 'enclasp[coordinator]'"
        symptoms.append(Symptom("python", WARNING, f"missing: {', '.join(missing)}", hint))
    return symptoms


def _devices(exists: Callable[[Path], bool]) -> list[Symptom]:
    found = [f"{kind}: {path}" for path, kind in _DEVICES.items() if exists(Path(path))]
    if found:
        return [Symptom("hardware", OK, ", ".join(found))]
    looked = ", ".join(_DEVICES)
    return [Symptom("hardware", WARNING, f"none of {looked}", "only simulation works here: `coordinator run --dev`")]


def _simulation(environ: Mapping[str, str]) -> list[Symptom]:
    folder = environ.get("ENCLASP_SIMULATION", "")
    if not folder:
        return [Symptom("simulation", OK, "off (ENCLASP_SIMULATION is not set)")]
    if not (Path(folder) / "trust.pem").is_file():
        hint = f"make it: enclasp simulate vendor new {folder}"
        return [Symptom("simulation", ERROR, f"ENCLASP_SIMULATION={folder} holds no simulated vendor", hint)]
    return [Symptom("simulation", WARNING, f"SIMULATED evidence by {folder}; it proves nothing")]


def _collateral(file: Path) -> list[Symptom]:
    from coordinator.cli.collateral import collateral_entries
    from coordinator.cli.trust import current_moment

    hint = "fetch it anew: enclasp collateral fetch --for EVIDENCE --out bundle.json"
    states = {"current": OK, "ending": WARNING}
    symptoms = []
    for entry in collateral_entries(file, current_moment()):
        state = states.get(entry["state"], ERROR)
        found = f"{entry['kind']} {entry['platform']}: {entry['state']}, next update {entry['next_update']}"
        symptoms.append(Symptom("collateral", state, found, "" if state == OK else hint))
    return symptoms
