"""The whole story on one machine, with simulated hardware: `enclasp demo`.

Every part is a process of its own and speaks over real sockets; the demo does only what a person would type, and
checks every answer.  A step that does not do what it should ends the demo with its name and an exit code.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import yaml

from examples.common_customers import generate
from examples.common_customers.company import load_root
from examples.common_customers.eavesdropper import Eavesdropper
from examples.common_customers.narrator import Narrator
from examples.common_customers.picture import Facts, picture
from examples.common_customers.processes import ENCLASP, Ended, Processes, StepFailed, free_ports

HERE: Final = Path(__file__).parent
COMPANY: Final = (sys.executable, "-m", "examples.common_customers.company")
COMPANIES: Final = ("alice", "bob")
DONE, FAILED, INTERRUPTED = 0, 1, 130


def main(keep: bool) -> int:
    """Run the story.  keep: leave everything running, and say what to try.  Exit code: 0, 1 failed, 130 interrupted."""
    folder = Path(tempfile.mkdtemp(prefix="enclasp-demo-"))
    narrator, processes = Narrator(), Processes(folder)
    leave = False
    try:
        with _terminated_as_interrupted():
            story = Story(folder, narrator, processes, Ports(*free_ports(4)))
            story.tell()
            leave = keep
    except StepFailed:
        narrator.line(f"\n the demo failed at the step '{narrator.failed}'; this is a bug of ours, please report it")
        return FAILED
    except KeyboardInterrupt:
        narrator.line("\n interrupted")
        return INTERRUPTED
    finally:
        if not leave:
            processes.stop_all()
            shutil.rmtree(folder, ignore_errors=True)
    if leave:
        narrator.line(story.next_commands())
    return DONE


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens on loopback."""

    clients: int
    mesh: int
    intersection: int
    receipts: int


@dataclass(slots=True)
class Story:
    """The deployment while it comes to be.  folder: everything that is written."""

    folder: Path
    narrator: Narrator
    processes: Processes
    ports: Ports

    def tell(self) -> None:
        """From nothing to a verified result, then the attacks, then the picture.  Raises StepFailed."""
        self.narrator.line(
            "Two companies find their common customers without showing each other, or the operator, their lists"
        )
        self.narrator.line("░░ SIMULATED HARDWARE: this shows how things work, and proves nothing ░░\n")
        lists = self.companies_prepare()
        self.start_coordinator()
        self.set_manifest()
        self.start_marbles()
        verified = self.companies_verify()
        receipt = self.companies_meet(lists)
        self.narrator.line("\n what protects them")
        self.refuse_changed_program()
        self.refuse_second_instance()
        self.refuse_eavesdropper()
        self.show_changed_manifest()
        self.narrator.line("\n the trust chain of this run\n")
        self.narrator.line(textwrap.indent(picture(self._facts(verified, len(lists.common), receipt)), " "))
        self.narrator.line(f"\n done in {self.narrator.seconds:.0f} s, on SIMULATED hardware")

    def companies_prepare(self) -> generate.Lists:
        """Each company has its customers, and a key that never leaves it."""
        with self.narrator.step("two companies") as say:
            for name in COMPANIES:
                self.processes.spawn(f"keys-{name}", (*COMPANY, "keys", str(self.folder / name), name))
            lists = generate.generate()
            generate.write(lists, self.folder)
            for name in COMPANIES:
                self.processes.gather(f"keys-{name}").expect(0)
            say(f"{generate.ROWS:,} customers each; alice.csv, bob.csv, and a key pair for each company")
        return lists

    def start_coordinator(self) -> None:
        """The coordinator, on the simulated platform."""
        with self.narrator.step("coordinator") as say:
            self.processes.start(
                "coordinator",
                (*ENCLASP, "coordinator", "run", "--dev", "--state-dir", str(self.coordinator)),
                {
                    "EDG_COORDINATOR_CLIENT_ADDR": self.endpoint,
                    "EDG_COORDINATOR_MESH_ADDR": f"127.0.0.1:{self.ports.mesh}",
                },
            )
            self.processes.wait_for_port("coordinator", self.ports.clients)
            self.processes.wait_for_port("coordinator", self.ports.mesh)
            values = yaml.load((self.coordinator / "reference.yaml").read_bytes(), yaml.BaseLoader)
            self.marbles_reference.write_text(json.dumps(values))
            say(f"tdx SIMULATED, https://{self.endpoint}, journal sealed in {self.coordinator.name}/state")

    def set_manifest(self) -> None:
        """The companies' certificates go into the manifest that both agree on; the operator sets it."""
        with self.narrator.step("manifest") as say:
            self.agreed.write_text(self._agreed_text(), encoding="utf-8")
            checked = self._enclasp("check", "manifest", "check", str(self.agreed), "-o", "json").expect(0)
            if json.loads(checked.out)["valid"] is not True:
                raise StepFailed(f"expected a valid manifest, got:\n{checked.out}")
            self._enclasp("set", "manifest", "set", str(self.agreed), self.endpoint, *self.references).expect(0)
            say("checked, agreed by both, and set by the operator")

    def start_marbles(self) -> None:
        """The two services join: each proves by evidence what program it is."""
        with self.narrator.step("receipts") as say_receipts:
            self._start_marble("receipts", "sgx")
            self._start_marble("intersection", "tdx")
            self.processes.wait_for_port("receipts", self.ports.receipts)
            say_receipts(f"joined, sgx SIMULATED, gRPC on 127.0.0.1:{self.ports.receipts}, marbles only")
        with self.narrator.step("intersection") as say:
            self.processes.wait_for_port("intersection", self.ports.intersection)
            say(f"joined, tdx SIMULATED, https://127.0.0.1:{self.ports.intersection}, alice and bob only")

    def companies_verify(self) -> dict[str, Any]:
        """Each company by itself: is this the coordinator, and is it bound to the manifest that we agreed on?"""
        with self.narrator.step("verify") as say:
            for name in COMPANIES:
                command = (*ENCLASP, "verify", self.endpoint, "--manifest", str(self.agreed), *self.references)
                self.processes.spawn(f"verify-{name}", (*command, "--out", str(self._root(name)), "-o", "json"))
            answers = [self.processes.gather(f"verify-{name}").expect(0) for name in COMPANIES]
            first, second = (load_root(self._root(name)) for name in COMPANIES)
            if first != second:
                raise StepFailed("expected one root certificate for both companies, got two")
            say("alice and bob, each alone: ONE root certificate, bound to the agreed manifest")
        verified: dict[str, Any] = json.loads(answers[0].out)
        return verified

    def companies_meet(self, lists: generate.Lists) -> int:
        """Both upload over TLS that chains to the verified root, and get the result; returns the receipt's number."""
        with self.narrator.step("common customers") as say:
            for name in COMPANIES:
                self.processes.spawn(f"part-{name}", self._take_part(name, f"127.0.0.1:{self.ports.intersection}"))
            ended = [self.processes.gather(f"part-{name}").expect(0, "receipt 1 verified") for name in COMPANIES]
            for name in COMPANIES:
                found = (self.folder / f"{name}.common").read_text(encoding="utf-8").splitlines()
                if found != list(lists.common):
                    raise StepFailed(f"{name}: expected the {len(lists.common)} generated ones, got {len(found)}")
            say(f"{len(lists.common):,}, as the generator knows; alice and bob have the same list, and nothing else")
        with self.narrator.step("receipt") as say:
            sealed = sorted(self.receipts_folder.iterdir())
            if len(sealed) != 1 or b"customers" in sealed[0].read_bytes():
                raise StepFailed(f"expected one sealed receipt on the host's disk, got {sealed}")
            say(ended[0].out.strip().partition("; ")[2] + " by both companies, sealed on the host's disk")
        return 1

    def refuse_changed_program(self) -> None:
        """One byte more in the program: another measurement."""
        with self.narrator.step("changed program") as say:
            changed = self.folder / "changed" / "intersection.py"
            changed.parent.mkdir()
            changed.write_bytes((HERE / "intersection.py").read_bytes() + b"\n")
            ended = self.processes.run(
                "changed", self._marble_command("intersection", changed), self._marble_environ("changed", "tdx")
            )
            say("refused: one byte more, so its measurement is not the manifest's")
            say(_reason(ended.expect(4)))

    def refuse_second_instance(self) -> None:
        """The right program, once more."""
        with self.narrator.step("second instance") as say:
            ended = self.processes.run(
                "second",
                self._marble_command("intersection", HERE / "intersection.py"),
                self._marble_environ("second", "tdx"),
            )
            say("refused: the manifest allows one activation, so nobody starts over with other lists")
            say(_reason(ended.expect(4, "MaxActivations")))

    def refuse_eavesdropper(self) -> None:
        """Somebody between a company and the deployment, with a certificate of his own."""
        with self.narrator.step("eavesdropper") as say:
            with Eavesdropper(f"127.0.0.1:{self.ports.intersection}") as middle:
                self.processes.run("eavesdropped", self._take_part("alice", middle.address)).expect(
                    4, "nothing was sent"
                )
                if middle.overheard or not middle.refused:
                    raise StepFailed(f"expected a broken handshake and no byte, got {middle.overheard} bytes overheard")
            say("refused by alice before she sent a byte: his certificate does not lead to the root")
            with Eavesdropper(self.endpoint) as middle:
                self._enclasp("verify-eavesdropped", "verify", middle.address, *self.references).expect(4)
            say("refused by verify: he passes on the coordinator's evidence, which is of another key")

    def show_changed_manifest(self) -> None:
        """Somebody wants the company to believe in another law than the one in force."""
        with self.narrator.step("other manifest") as say:
            other = self.folder / "other.yaml"
            other.write_text(self._agreed_text().replace("MaxActivations: 1", "MaxActivations: 9"), encoding="utf-8")
            ended = self._enclasp("other", "verify", self.endpoint, "--manifest", str(other), *self.references)
            ended.expect(5, "MaxActivations: 9", "MaxActivations: 1")
            say("refused by verify (exit code 5), with the line that differs:")
            for line in f"{ended.out}\n{ended.err}".splitlines():
                if "MaxActivations:" in line:
                    say(line.strip())

    def next_commands(self) -> str:
        """What to type next, with the real ports and paths."""
        enclasp = Path(sys.executable).with_name("enclasp")
        groups = " ".join(f"-{process.pid}" for process in self.processes.running.values())
        flags = " ".join(self.references)
        return textwrap.dedent(f"""
            still running; try
              {enclasp} status {self.endpoint} {flags}
              {enclasp} verify {self.endpoint} --manifest {self.agreed} {flags}
              {enclasp} manifest get {self.endpoint} {flags}
              {enclasp} certificate root {self.endpoint} {flags}
              tail -f {self.folder}/coordinator.log {self.folder}/intersection.log {self.folder}/receipts.log
            and to end it
              kill -- {groups}; rm -r {self.folder}""")

    @property
    def endpoint(self) -> str:
        """The coordinator's client door."""
        return f"127.0.0.1:{self.ports.clients}"

    @property
    def coordinator(self) -> Path:
        """The coordinator's folder."""
        return self.folder / "coordinator"

    @property
    def agreed(self) -> Path:
        """The manifest that both companies agreed on."""
        return self.folder / "agreed.yaml"

    @property
    def marbles_reference(self) -> Path:
        """The coordinator's reference values once more, as JSON: marbles verify it too before they join."""
        return self.folder / "reference.json"

    @property
    def receipts_folder(self) -> Path:
        """Where the host keeps sealed receipts."""
        return self.folder / "receipts"

    @property
    def references(self) -> tuple[str, ...]:
        """What a verifier knows beforehand, as flags: the coordinator's reference values, the root, the collateral."""
        simulation = self.coordinator / "simulation"
        return (
            *("--reference", str(self.coordinator / "reference.yaml")),
            *("--trust", str(simulation / "trust.pem")),
            *("--collateral", str(simulation / "collateral.json")),
        )

    def _root(self, company: str) -> Path:
        return self.folder / f"{company}.root.pem"

    def _agreed_text(self) -> str:
        text = (HERE / "manifest.yaml").read_text(encoding="utf-8")
        for name in COMPANIES:
            marker = f"          PUT THE CERTIFICATE OF {name} HERE\n"
            if text.count(marker) != 1:
                raise StepFailed(f"manifest.yaml: expected one line {marker.strip()!r}, got {text.count(marker)}")
            certificate = (self.folder / name / f"{name}.certificate.pem").read_text(encoding="ascii")
            text = text.replace(marker, textwrap.indent(certificate, " " * 10))
        return text

    def _enclasp(self, name: str, *arguments: str) -> Ended:
        return self.processes.run(name, (*ENCLASP, *arguments))

    def _take_part(self, name: str, address: str) -> tuple[str, ...]:
        return (
            *(*COMPANY, "take-part", address, "--root", str(self._root(name))),
            *("--identity", str(self.folder / name / name), "--out", str(self.folder / f"{name}.common")),
            str(self.folder / f"{name}.csv"),
        )

    def _start_marble(self, name: str, platform: str) -> None:
        environ = self._marble_environ(name, platform)
        self.processes.start(name, self._marble_command(name, HERE / f"{name}.py"), environ)

    def _marble_command(self, marble_type: str, program: Path) -> tuple[str, ...]:
        return (*ENCLASP, "marble", "run", "--type", marble_type, "--", sys.executable, str(program))

    def _marble_environ(self, name: str, platform: str) -> dict[str, str]:
        """What the host tells a marble: where things are.  None of it is trusted."""
        simulation = self.coordinator / "simulation"
        return {
            "EDG_MARBLE_COORDINATOR_ADDR": f"127.0.0.1:{self.ports.mesh}",
            "EDG_MARBLE_UUID_FILE": str(self.folder / f"{name}.uuid"),
            "ENCLASP_COORDINATOR_REFERENCE": str(self.marbles_reference),
            "ENCLASP_COORDINATOR_TRUST": str(simulation / "trust.pem"),
            "ENCLASP_COORDINATOR_COLLATERAL": str(simulation / "collateral.json"),
            "ENCLASP_SIMULATION": str(simulation),
            "ENCLASP_SIMULATION_KIND": platform,
            "INTERSECTION_ADDRESS": f"127.0.0.1:{self.ports.intersection}",
            "RECEIPTS_ADDRESS": f"localhost:{self.ports.receipts}",
            "RECEIPTS_FOLDER": str(self.receipts_folder),
        }

    def _facts(self, verified: dict[str, Any], common: int, receipt: int) -> Facts:
        packages = yaml.load(self.agreed.read_bytes(), yaml.BaseLoader)["Packages"]
        root = load_root(self._root("alice"))
        claims = verified["claims"]
        return Facts(
            vendor="simulated vendor root",
            coordinator_platform=verified["platform"],
            coordinator_measurement=claims["measurements"]["mrtd"],
            tcb_status=claims["tcb_status"],
            root=root.subject.rfc4514_string(),
            manifest_digest=verified["manifest"]["fingerprint"],
            intermediate="CN=MarbleRun Coordinator - Intermediate CA",
            intersection_measurement=packages["intersection"]["TDX"]["MRTD"],
            receipts_measurement=packages["receipts"]["SGX"]["MRENCLAVE"],
            common=common,
            receipt=receipt,
        )


def _reason(ended: Ended) -> str:
    """The line in which a launcher says why it was refused."""
    return next((line.strip() for line in ended.err.splitlines() if "refused" in line), ended.err.strip())


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does, so that everything is cleaned up."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main(keep="--keep" in sys.argv[1:]))
