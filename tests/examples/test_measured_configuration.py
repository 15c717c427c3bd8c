"""A coordinator whose configuration the (simulated) hardware measures: from the command that makes it to the verifier.

The host is played by the test: it starts the machine with a digest, lays down a document, and chooses variables.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from attestation.init_data import from_annotation
from attestation.simulation.folder import create
from tests.examples.test_init_data import enclasp
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.people import Person, person

TOKEN = "a token that only the deployer knows"
MANIFEST = {"Packages": {"p": {"TDX": {"MRTD": "07" * 48}}}, "Marbles": {"m": {"Package": "p"}}}
FIELDS = {"tdx": ("TDX", "MRConfigID"), "sev-snp": ("SEVSNP", "HostData"), "cca": ("CCA", "RPV")}


@dataclass(frozen=True)
class Told:
    """What `coordinator init-data` printed.  file: the annotation, as a kubelet lays it down."""

    printed: Mapping[str, Any]
    file: Path

    @property
    def digest(self) -> str:
        """Of a TDX machine, in hex."""
        return str(self.printed["reference"]["TDX"]["MRConfigID"])

    @property
    def host_data(self) -> str:
        return from_annotation(self.printed["annotation"]).digest(64).hex()


@dataclass(frozen=True)
class House:
    """folder: of the coordinator.  deployer: the one setter."""

    folder: Path
    deployer: Person

    def told(self, name: str, *lines: str) -> Told:
        """A configuration of these lines, besides the simulated root that it has to accept."""
        config = self.folder / f"{name}.toml"
        config.write_text("\n".join((f"trust = '{self.folder}/simulation/trust.pem'", *lines)))
        done = enclasp("coordinator", "init-data", config, "-o", "json")
        assert 0 == done.returncode, done.stderr
        assert "no policy.rego" in done.stderr
        printed = json.loads(done.stdout)
        file = self.folder / f"{name}.annotation"
        file.write_text(printed["annotation"])
        return Told(printed, file)

    def restricted(self, name: str = "restricted") -> Told:
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        return self.told(name, f"setters = '{self.deployer.certificate}'", f"claim_token_sha256 = '{digest}'")

    def start(self, measured: Told, given: Told | None, platform: str = "tdx", **environ: Any) -> CoordinatorProcess:
        """A machine that was told `measured`, with the file of `given` in it."""
        told = {"ENCLASP_SIMULATION_HOST_DATA": measured.host_data, "ENCLASP_SIMULATION_KIND": platform}
        file = {} if given is None else {"ENCLASP_INIT_DATA": str(given.file)}
        machine: dict[str, Any] = {**told, **file, **environ}
        return start(self.folder, **machine)

    def reference(self, told: Told, platform: str = "tdx") -> Path:
        """What `kubernetes reference` writes for a verifier."""
        document, written = self.folder / "initdata.toml", self.folder / "wanted.yaml"
        document.write_bytes(told.printed["document"].encode())
        options = ("--platform", platform, "--simulation", "--init-data", document, "--out", written)
        assert 0 == enclasp("kubernetes", "reference", *options).returncode
        return written


@pytest.fixture
def house(tmp_path: Path) -> House:
    folder = tmp_path / "dev"
    folder.mkdir()
    create(folder / "simulation")
    return House(folder, person(tmp_path, "deployer"))


def trust(running: CoordinatorProcess, reference: Path) -> tuple[str | Path, ...]:
    return ("--reference", reference, "--trust", running.trust, "--collateral", running.collateral)


@pytest.mark.parametrize("platform", ["tdx", "sev-snp"])
def test_a_verifier_sees_who_may_set_the_first_manifest_and_demands_it(house: House, platform: str) -> None:
    told, other = house.restricted(), house.told("other")
    section, key = FIELDS[platform]
    assert told.printed["reference"][section][key] in house.reference(told, platform).read_text()
    running = house.start(told, told, platform)
    try:
        accepted = enclasp("verify", running.client_address, *trust(running, house.reference(told, platform)))
        assert 0 == accepted.returncode, accepted.stderr
        words = "measured: setters: 1 key or a claim token; key devices: none; witness: none; simulated roots: ACCEPTED"
        assert f"configuration             {words}" in accepted.stdout
        assert words == told.printed["configuration"]
        refused = enclasp("verify", running.client_address, *trust(running, house.reference(other, platform)))
        assert 4 == refused.returncode
        assert other.printed["reference"][section][key] in refused.stdout
    finally:
        running.stop()


def test_measured_setters_decide_and_the_settings_reach_scripts(house: House) -> None:
    told = house.restricted()
    running = house.start(told, told)
    try:
        manifest, token = house.folder / "manifest.json", house.folder / "token"
        manifest.write_text(json.dumps(MANIFEST))
        token.write_text(TOKEN)
        flags = trust(running, house.reference(told))
        nobody = enclasp("manifest", "set", manifest, running.client_address, *flags)
        assert (7, True) == (nobody.returncode, "U560" in nobody.stderr)
        done = enclasp("manifest", "set", manifest, running.client_address, *flags, "--claim-token-file", token)
        assert 0 == done.returncode, done.stderr
        said = json.loads(enclasp("verify", running.client_address, *flags, "-o", "json").stdout)["configuration"]
        assert said["measured"]
        assert told.digest == said["digest"]
        assert str(house.deployer.certificate) == said["settings"]["setters"]["file"]
        root = house.folder / "root.pem"
        assert 0 == enclasp("verify", running.client_address, *flags, "--out", root).returncode
        offline = enclasp("verify", root, *flags)
        assert (0, True) == (offline.returncode, "configuration             not shown" in offline.stdout)
    finally:
        running.stop()


def test_a_host_that_gives_another_document_than_it_told_the_hardware_starts_nothing(house: House) -> None:
    told, other = house.restricted(), house.told("other")
    ended = house.start(told, other)
    assert 3 == ended.process.wait(20)
    for each in ("V143", told.digest, other.digest):
        assert each in ended.log


def test_a_host_that_gives_no_document_starts_nothing(house: House) -> None:
    told = house.restricted()
    ended = house.start(told, None)
    assert (3, True) == (ended.process.wait(20), "V144" in ended.log)


def test_a_machine_that_was_told_nothing_starts_without_a_document_and_says_so(house: House) -> None:
    running = start(house.folder)
    try:
        shown = enclasp("verify", running.client_address, *trust(running, running.reference))
        assert 0 == shown.returncode, shown.stderr
        assert "not measured: the host can choose who may set the first manifest" in shown.stdout
    finally:
        running.stop()
    told = house.restricted()
    ended = start(house.folder, ENCLASP_INIT_DATA=str(told.file))
    assert (3, True) == (ended.process.wait(20), "V143" in ended.log)


def test_an_enclave_cannot_hold_it_and_says_what_to_do(house: House) -> None:
    told = house.restricted()
    ended = house.start(told, told, "sgx")
    assert (3, True) == (ended.process.wait(20), "V145" in ended.log)


@pytest.mark.parametrize(
    ("variable", "setting"),
    [("EDG_STARTUP_MANIFEST", "startup_manifest"), ("ENCLASP_COMPATIBLE", "compatible"), ("ENCLASP_TRUST", "trust")],
)
def test_a_variable_that_contradicts_what_was_measured_ends_the_start(
    house: House, variable: str, setting: str
) -> None:
    told = house.restricted()
    ended = house.start(told, told, **{variable: "1"})
    assert 3 == ended.process.wait(20)
    assert f"setting '{setting}': the host gives" in ended.log


def test_a_measured_first_manifest_is_set_by_nobody_else(house: House) -> None:
    manifest = house.folder / "manifest.json"
    manifest.write_text(json.dumps(MANIFEST))
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    told = house.told("pinned", f"startup_manifest = '{manifest}'", f"claim_token_sha256 = '{digest}'")
    manifest.write_text("the host's own")
    running = house.start(told, told)
    try:
        seen = enclasp("verify", running.client_address, *trust(running, house.reference(told)), "-o", "json")
        wanted = hashlib.sha256(json.dumps(MANIFEST).encode()).hexdigest()
        assert wanted == json.loads(seen.stdout)["manifest"]["fingerprint"]
        assert f"first manifest: sha256 {wanted}" in json.loads(seen.stdout)["configuration"]["says"]
    finally:
        running.stop()


def test_a_state_is_served_under_the_configuration_that_it_was_served_under(house: House) -> None:
    """What lets a host do more than the configuration says would else be a restart with another one."""
    told, laxer = house.restricted(), house.told("laxer")
    running = house.start(told, told)
    manifest, token = house.folder / "manifest.json", house.folder / "token"
    manifest.write_text(json.dumps(MANIFEST))
    token.write_text(TOKEN)
    flags = trust(running, house.reference(told))
    set_it = ("manifest", "set", manifest, running.client_address, *flags, "--claim-token-file", token)
    assert 0 == enclasp(*set_it).returncode
    running.stop()
    for told_nothing in (True, False):
        ended = start(house.folder, ENCLASP_SIMULATION_HOST_DATA="") if told_nothing else house.start(laxer, laxer)
        assert 3 == ended.process.wait(20)
        assert f"was told {told.digest}" in ended.log
    again = house.start(told, told)
    try:
        assert 0 == enclasp("verify", again.client_address, *flags, "--manifest", manifest).returncode
    finally:
        again.stop()
