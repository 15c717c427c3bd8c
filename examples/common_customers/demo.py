"""The whole story on one machine, with simulated hardware: `enclasp demo`.

Every part is a process of its own and speaks over real sockets; the demo does only what a person would type, and
checks every answer.  A step that does not do what it should ends the demo with its name and an exit code.
"""

import contextlib
import json
import re
import shutil
import signal
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from examples.common_customers import generate
from examples.common_customers.agree import COMPANIES
from examples.common_customers.company import load_root
from examples.common_customers.eavesdropper import Eavesdropper
from examples.common_customers.narrator import Narrator
from examples.common_customers.picture import Facts, picture
from examples.common_customers.processes import Ended, Processes, StepFailed, free_ports
from examples.common_customers.stage import COMPANY, ENCLASP, HERE, Ports, Stage
from pki.certificates import load_pem_chain

DONE, FAILED, INTERRUPTED = 0, 1, 130


def main(keep: bool) -> int:
    """Run the story.  keep: leave everything running, and say what to try.  Exit code: 0, 1 failed, 130 interrupted."""
    folder = Path(tempfile.mkdtemp(prefix="enclasp-demo-"))
    story = Story(Stage(folder, Ports(*free_ports(4))), Narrator(), Processes(folder))
    leave = False
    with _interrupting(story.processes):
        try:
            story.tell()
            leave = keep
        except StepFailed:
            for name in story.processes.running:
                story.narrator.line(f"\n last words of {name}:\n{story.processes.words(name)}")
            story.narrator.line(f"\n the demo failed at '{story.narrator.failed}': a bug of ours, please report it")
            return FAILED
        except KeyboardInterrupt:
            story.narrator.line("\n interrupted")
            return INTERRUPTED
        finally:
            if not leave:
                story.processes.interrupted = True  # whatever comes now must not keep us from cleaning up
                story.processes.stop_all()
                shutil.rmtree(folder, ignore_errors=True)
    if leave:
        story.narrator.line(story.next_commands())
    return DONE


@dataclass(frozen=True, slots=True)
class Story:
    """The deployment while it comes to be, told step by step."""

    stage: Stage
    narrator: Narrator
    processes: Processes

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
                self.processes.spawn(f"keys-{name}", (*COMPANY, "keys", str(self.stage.folder / name), name))
            lists = generate.generate()
            generate.write(lists, self.stage.folder)
            for name in COMPANIES:
                self.processes.gather(f"keys-{name}").expect(0)
            say(f"{generate.ROWS:,} customers each in alice.csv and bob.csv; a key pair for each")
        return lists

    def start_coordinator(self) -> None:
        """The coordinator, on the simulated platform."""
        with self.narrator.step("coordinator") as say:
            self.processes.start(
                "coordinator",
                (*ENCLASP, "coordinator", "run", "--dev", "--state-dir", str(self.stage.coordinator)),
                {
                    "EDG_COORDINATOR_CLIENT_ADDR": self.stage.endpoint,
                    "EDG_COORDINATOR_MESH_ADDR": f"127.0.0.1:{self.stage.ports.mesh}",
                },
            )
            self.processes.wait_for_port("coordinator", self.stage.ports.clients)
            self.processes.wait_for_port("coordinator", self.stage.ports.mesh)
            values = yaml.load(self.stage.reference.read_bytes(), yaml.BaseLoader)
            self.stage.marbles_reference.write_text(json.dumps(values))
            say(f"tdx SIMULATED, https://{self.stage.endpoint}, its journal sealed on the disk")

    def set_manifest(self) -> None:
        """The companies' certificates go into the manifest that both agree on; the operator sets it."""
        with self.narrator.step("manifest") as say:
            self.stage.agreed.write_text(self.stage.agreed_text(), encoding="utf-8")
            checked = self._enclasp("check", "manifest", "check", str(self.stage.agreed), "-o", "json").expect(0)
            if json.loads(checked.out)["valid"] is not True:
                raise StepFailed(f"expected a valid manifest, got:\n{checked.out}")
            setting = ("manifest", "set", str(self.stage.agreed), self.stage.endpoint)
            self._enclasp("set", *setting, *self.stage.references).expect(0)
            say("checked, agreed by both, and set by the operator")

    def start_marbles(self) -> None:
        """The two services join: each proves by evidence what program it is."""
        with self.narrator.step("receipts") as say_receipts:
            self._start_marble("receipts", "sgx")
            self._start_marble("intersection", "tdx")
            self.processes.wait_for_port("receipts", self.stage.ports.receipts)
            say_receipts(f"joined, sgx SIMULATED, grpc://localhost:{self.stage.ports.receipts}, marbles only")
        with self.narrator.step("intersection") as say:
            self.processes.wait_for_port("intersection", self.stage.ports.intersection)
            say(f"joined, tdx SIMULATED, https://{self.stage.door}, alice and bob only")

    def companies_verify(self) -> dict[str, Any]:
        """Each company by itself: is this the coordinator, and is it bound to the manifest that we agreed on?"""
        with self.narrator.step("verify") as say:
            for name in COMPANIES:
                command = (*ENCLASP, "verify", self.stage.endpoint, *self.stage.references, "-o", "json")
                expected = ("--manifest", str(self.stage.agreed), "--out", str(self.stage.root(name)))
                self.processes.spawn(f"verify-{name}", (*command, *expected))
            answers = [self.processes.gather(f"verify-{name}").expect(0) for name in COMPANIES]
            first, second = (load_root(self.stage.root(name)) for name in COMPANIES)
            if first != second:
                raise StepFailed("expected one root certificate for both companies, got two")
            say("alice and bob, each alone: ONE root certificate, the agreed manifest")
        verified: dict[str, Any] = json.loads(answers[0].out)
        return verified

    def companies_meet(self, lists: generate.Lists) -> int:
        """Both upload over TLS that chains to the verified root, and get the result; returns the receipt's number."""
        with self.narrator.step("common customers") as say:
            for name in COMPANIES:
                self.processes.spawn(f"part-{name}", self.stage.take_part(name, self.stage.door))
            ended = [self.processes.gather(f"part-{name}").expect(0, "receipt 1 verified") for name in COMPANIES]
            for name in COMPANIES:
                found = (self.stage.folder / f"{name}.common").read_text(encoding="utf-8").splitlines()
                if found != list(lists.common):
                    raise StepFailed(f"{name}: expected the {len(lists.common)} generated ones, got {len(found)}")
            say(f"{len(lists.common):,}, as generated; both have the same list, and nothing else")
        with self.narrator.step("receipt") as say:
            sealed = sorted(self.stage.receipts_folder.iterdir())
            if len(sealed) != 1 or b"customers" in sealed[0].read_bytes():
                raise StepFailed(f"expected one sealed receipt on the host's disk, got {sealed}")
            say(ended[0].out.strip().partition("; ")[2] + " by both companies, sealed on the host's disk")
        return 1

    def refuse_changed_program(self) -> None:
        """One byte more in the program: another measurement."""
        with self.narrator.step("changed program") as say:
            changed = self.stage.folder / "changed" / "intersection.py"
            changed.parent.mkdir()
            changed.write_bytes((HERE / "intersection.py").read_bytes() + b"\n")
            ended = self.processes.run(
                "changed",
                self.stage.marble_command("intersection", changed),
                self.stage.marble_environ("changed", "tdx"),
            )
            say("refused: one byte more in intersection.py is another measurement")
            self._say_reasons(say, ended.expect(4, "A204"))

    def refuse_second_instance(self) -> None:
        """The right program, once more."""
        with self.narrator.step("second instance") as say:
            ended = self.processes.run(
                "second",
                self.stage.marble_command("intersection", HERE / "intersection.py"),
                self.stage.marble_environ("second", "tdx"),
            )
            say("refused: the manifest allows one, so nobody tries again with other lists")
            self._say_reasons(say, ended.expect(4, "A202"))

    def refuse_eavesdropper(self) -> None:
        """Somebody between a company and the deployment, with a certificate of his own."""
        with self.narrator.step("eavesdropper") as say:
            with Eavesdropper(self.stage.door) as middle:
                ended = self.processes.run("eavesdropped", self.stage.take_part("alice", middle.address))
            ended.expect(4, "nothing was sent")
            if middle.overheard or not middle.refused:
                raise StepFailed(f"expected a broken handshake and no byte, got {middle.overheard} bytes overheard")
            say("refused by alice before she sent a byte: it does not lead to the root")
            with Eavesdropper(self.stage.endpoint) as middle:
                self._enclasp("verify-eavesdropped", "verify", middle.address, *self.stage.references).expect(4, "V131")
            say("refused by verify (V131): the evidence passed on is of another key than the connection")

    def show_changed_manifest(self) -> None:
        """Somebody wants the company to believe in another law than the one in force."""
        with self.narrator.step("other manifest") as say:
            other = self.stage.folder / "other.yaml"
            text = self.stage.agreed_text().replace("MaxActivations: 1", "MaxActivations: 9")
            other.write_text(text, encoding="utf-8")
            verifying = ("verify", self.stage.endpoint, "--manifest", str(other), "-o", "json")
            ended = self._enclasp("other", *verifying, *self.stage.references).expect(5)
            found = json.loads(ended.out)["manifest"]["difference"]
            if (found["yours"].strip(), found["active"].strip()) != ("MaxActivations: 9", "MaxActivations: 1"):
                raise StepFailed(f"expected the changed line, got {found}")
            say("refused by verify (exit code 5), which shows the line that differs")
            say(f"line {found['line']}: yours {found['yours'].strip()}, active {found['active'].strip()}")

    def next_commands(self) -> str:
        """What to type next, with the real ports and paths."""
        enclasp = Path(sys.executable).with_name("enclasp")
        groups = " ".join(f"-{process.pid}" for process in self.processes.running.values())
        logs = " ".join(f"{self.stage.folder}/{name}.log" for name in self.processes.running)
        return textwrap.dedent(f"""
            it goes on running; tell the command line what to verify by, and try
              export ENCLASP_COORDINATOR={self.stage.endpoint}
              export ENCLASP_COORDINATOR_REFERENCE={self.stage.reference}
              export ENCLASP_COORDINATOR_TRUST={self.stage.simulation}/trust.pem
              export ENCLASP_COORDINATOR_COLLATERAL={self.stage.simulation}/collateral.json
              {enclasp} status
              {enclasp} verify --manifest {self.stage.agreed}
              {enclasp} manifest get
              {enclasp} certificate root
              tail {logs}
            and to end it
              kill -- {groups}; rm -r {self.stage.folder}""")

    def _enclasp(self, name: str, *arguments: str) -> Ended:
        return self.processes.run(name, (*ENCLASP, *arguments))

    def _start_marble(self, name: str, platform: str) -> None:
        environ = self.stage.marble_environ(name, platform)
        self.processes.start(name, self.stage.marble_command(name, HERE / f"{name}.py"), environ)

    def _say_reasons(self, say: Callable[[str], None], ended: Ended) -> None:
        """What a refused marble learns, and what the operator's log says of it."""
        learned = re.search(r"marble verification failed: (.*?)(?: \(hint|$)", ended.err, re.MULTILINE)
        if learned is None:
            raise StepFailed(f"expected the reason of a refusal, got:\n{ended.err}")
        say(f"it learns: {learned[1]}")
        log = (self.stage.folder / "coordinator.log").read_text(encoding="utf-8").splitlines()
        refusals = [json.loads(line) for line in log if '"marble refused"' in line]
        for reason in refusals[-1]["reason"].splitlines():
            if "expected" in reason:
                say("the log:   " + _short_hex(reason.strip()).removeprefix("marble 'intersection': "))

    def _facts(self, verified: dict[str, Any], common: int, receipt: int) -> Facts:
        packages = yaml.load(self.stage.agreed.read_bytes(), yaml.BaseLoader)["Packages"]
        intermediate, root = load_pem_chain(self.stage.root("alice").read_bytes())
        vendors = load_pem_chain((self.stage.simulation / "trust.pem").read_bytes())
        claims = verified["claims"]
        return Facts(
            vendor=next(name for name in map(_common_name, vendors) if "Intel" in name),
            coordinator_platform=verified["platform"],
            coordinator_measurement=claims["measurements"]["mrtd"],
            tcb_status=claims["tcb_status"],
            root=_common_name(root),
            manifest_digest=verified["manifest"]["fingerprint"],
            intermediate=_common_name(intermediate),
            intersection_measurement=packages["intersection"]["TDX"]["MRTD"],
            receipts_measurement=packages["receipts"]["SGX"]["MRENCLAVE"],
            common=common,
            receipt=receipt,
        )


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _short_hex(text: str) -> str:
    return re.sub(r"\b([0-9a-f]{4})[0-9a-f]{24,}([0-9a-f]{4})\b", r"\1…\2", text)


@contextlib.contextmanager
def _interrupting(processes: Processes) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end the demo, which then ends everything that it started."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        processes.interrupt()

    numbers = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main(keep="--keep" in sys.argv[1:]))
