"""`enclasp evidence collect`: ask this machine's hardware for evidence, and say which ways there were."""

import os
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import reports
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem
from coordinator.cli.trust import Hex

if TYPE_CHECKING:
    from attestation.collect.finder import Answer

_HINT = (
    "run it inside a confidential virtual machine or enclave, as a user who may open its device (often root); "
    "or set ENCLASP_SIMULATION to a simulated vendor's folder for tests"
)


@click.command()
@click.option("--report-data", type=Hex(64), help="Bind the evidence to this, filled up with zero bytes.")
@click.option("--interface", "wanted", help="Take this interface, by a part of its name, instead of the first usable.")
@click.option("--gpus", is_flag=True, help="Of this machine's NVIDIA GPUs too, each bound to the processor's evidence.")
@reports
def collect(output: Output, report_data: bytes | None, wanted: str | None, gpus: bool) -> None:
    """Collect evidence of the hardware that this runs on, and say which interfaces were found.

    Without -o json the result is the evidence itself, as `evidence verify` reads it.

    \b
    enclasp evidence collect --report-data 00ff --out evidence.bin
    enclasp evidence collect -o json
    enclasp evidence collect --interface nvidia --out gpu.bin
    enclasp evidence collect --gpus --report-data 00ff --out composite.json
    """
    from attestation.binding import REPORT_DATA_BYTES
    from attestation.collect.finder import INTERFACES, ask
    from attestation.issue import GPUS, SIMULATION, find_issuer, with_gpus

    data = (report_data or b"").ljust(REPORT_DATA_BYTES, b"\0")
    if os.environ.get(SIMULATION):
        from coordinator.program import own_program

        environ = {**os.environ, GPUS: "all"} if gpus else os.environ
        issuer = find_issuer(environ, own_program())
        evidence = issuer.issue(data)
        output.remark(f"{SIMULATION}: SIMULATED evidence, it proves nothing about this machine")
        document = _document(SIMULATION, str(evidence.kind), evidence.raw, data, simulated=True)
        output.result({**document, "interfaces": []}, evidence.raw)
        return
    chosen = [i for i in INTERFACES if wanted is None or wanted.casefold() in i.name.casefold()]
    if not chosen:
        names = ", ".join(interface.name for interface in INTERFACES)
        raise click.UsageError(f"--interface: expected a part of one of these names: {names}; got '{wanted}'")
    answers = list(ask(chosen))
    found = next((answer.issuer for answer in answers if answer.issuer is not None), None)
    if found is None:
        detail = "\n".join(f"  {answer.interface.name}: {answer.reason}" for answer in answers)
        data_of_problem = {"interfaces": [_said(answer, used="") for answer in answers]}
        message = "no interface to confidential computing hardware can be used"
        raise Problem(message, exit_codes.INVALID, "V129", _HINT, detail, data_of_problem)
    evidence = (with_gpus(found) if gpus else found).issue(data)
    interfaces = [_said(answer, used=found.interface) for answer in answers]
    for interface in interfaces:
        output.remark(f"{interface['name']}: {interface['state']}" + (f": {r}" if (r := interface["reason"]) else ""))
    document = _document(found.interface, str(evidence.kind), evidence.raw, data, simulated=False)
    output.result({**document, "interfaces": interfaces}, evidence.raw)


def _document(interface: str, platform: str, raw: bytes, report_data: bytes, *, simulated: bool) -> dict[str, Any]:
    from base64 import b64encode

    return {
        "interface": interface,
        "platform": platform,
        "simulated": simulated,
        "report_data": report_data.hex(),
        "evidence": b64encode(raw).decode(),
    }


def _said(answer: "Answer", used: str) -> dict[str, Any]:
    """An interface's answer: used, usable too, or why not."""
    name = answer.interface.name
    state = "not usable" if answer.issuer is None else "used" if name == used else "usable too"
    return {"name": name, "platform": str(answer.interface.kind), "state": state, "reason": answer.reason or None}
