"""The simulated environment: one vendor for a folder, the same measurement everywhere, keys that stay in it."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attestation.anchors import TrustAnchors
from attestation.binding import Bound
from attestation.claims import TcbStatus
from attestation.endorsements import parse_bundle
from attestation.errors import EndorsementFormatError, NoDevice
from attestation.issue import SIMULATED_KINDS, Issuer, find_issuer
from attestation.kinds import Kind
from attestation.simulation import amd, arm, aws, nvidia
from attestation.simulation import vendor as vendor_of_intel
from attestation.simulation.folder import SEALING_FILE, create
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.measure import measure_program
from attestation.simulation.vendor import load
from attestation.verify import Verifier


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    """A program of one file and one folder."""
    (tmp_path / "package" / "inner").mkdir(parents=True)
    (tmp_path / "main.py").write_text("print(1)")
    (tmp_path / "package" / "inner" / "a.py").write_text("a = 1")
    (tmp_path / "package" / "notes.txt").write_text("not code")
    return ["python3", str(tmp_path / "main.py"), str(tmp_path / "package"), "--port", "80"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create(tmp_path / "state" / "vendor")
    return tmp_path / "state" / "vendor"


def issuer(folder: Path, program: list[str], kind: str = "tdx") -> Issuer:
    return find_issuer({"ENCLASP_SIMULATION": str(folder), "ENCLASP_SIMULATION_KIND": kind}, program)


def test_a_vendors_folder_holds_trust_collateral_and_private_keys_that_only_the_owner_reads(folder: Path) -> None:
    private = {f"{name}.private.json" for name in ("amd", "arm", "aws", "intel", "nvidia", "sealing")}
    assert {"trust.pem", "collateral.json", *private} == {path.name for path in folder.iterdir()}
    assert {0o600} == {(folder / name).stat().st_mode & 0o777 for name in private}
    assert [folder] == list(folder.parent.iterdir())
    collateral = parse_bundle((folder / "collateral.json").read_bytes())
    assert [Kind.SGX, Kind.TDX] == [c.kind for c in collateral.dcap]
    assert {Kind.SEV_SNP, Kind.CCA, Kind.NVIDIA_GPU} == set(collateral.sections)


def test_many_that_create_one_vendor_at_once_get_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "vendor"
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(create, [folder] * 6))

    trust = TrustAnchors(()).with_simulated((folder / "trust.pem").read_bytes())
    assert load(folder).root in [anchor.certificate for anchor in trust.anchors]
    assert [folder] == list(tmp_path.iterdir())


def test_a_vendors_file_with_a_part_of_another_kind_is_refused_in_words_whoevers_it_is(tmp_path: Path) -> None:
    create(tmp_path / "vendor")
    for maker in (amd, arm, aws, nvidia, vendor_of_intel):
        place = tmp_path / "vendor" / maker.PRIVATE_FILE
        whole = json.loads(place.read_text())
        assert maker.load(place.parent), "its twin, as it was made"
        for name in whole.keys() - {"format"}:
            for other in (None, 7, [7], {"a": 7}):
                place.write_text(json.dumps(whole | {name: other}))
                with contextlib.suppress(EndorsementFormatError):
                    maker.load(place.parent)
        place.write_text(json.dumps({"format": whole["format"]}))
        with pytest.raises(EndorsementFormatError, match="to be whole"):
            maker.load(place.parent)


def test_a_folder_without_a_vendor_is_refused_with_the_next_step(tmp_path: Path, program: list[str]) -> None:
    with pytest.raises(EndorsementFormatError, match="enclasp simulate vendor new"):
        load(tmp_path)
    (tmp_path / "intel.private.json").write_text(json.dumps({"format": "enclasp-simulated-intel/1"}))
    with pytest.raises(EndorsementFormatError, match="to be whole"):
        load(tmp_path)
    (tmp_path / SEALING_FILE).write_text(json.dumps({"format": "enclasp-simulated-sealing/1", "seal_secret": "00"}))
    with pytest.raises(NoDevice, match="to be whole"):
        issuer(tmp_path, program)
    (tmp_path / SEALING_FILE).unlink()
    with pytest.raises(NoDevice, match="simulated environment"):
        issuer(tmp_path, program)


def test_without_an_environment_it_says_what_was_looked_for(program: list[str], folder: Path) -> None:
    with pytest.raises(NoDevice, match="ENCLASP_SIMULATION is not set"):
        find_issuer({}, program)
    with pytest.raises(NoDevice, match="expected tdx or sgx or sev-snp or nitro or cca or azure-vtpm, got 'riscv'"):
        issuer(folder, program, "riscv")
    assert Kind.TDX is find_issuer({"ENCLASP_SIMULATION": str(folder)}, program).kind


@pytest.mark.parametrize("gpus", ["", "all"])
@pytest.mark.parametrize("kind", SIMULATED_KINDS)
def test_every_processor_issues_evidence_of_a_program_with_and_without_its_gpu(
    folder: Path, program: list[str], kind: Kind, gpus: str
) -> None:
    anchors = TrustAnchors.genuine().with_simulated((folder / "trust.pem").read_bytes())
    verifier = Verifier(anchors, parse_bundle((folder / "collateral.json").read_bytes()))
    environ = {"ENCLASP_SIMULATION": str(folder), "ENCLASP_SIMULATION_KIND": kind.value, "ENCLASP_GPUS": gpus}
    now = datetime.now(UTC)  # noqa: TID251 - the vendors, and Nitro's document, are of now

    device = find_issuer(environ, program)
    verification = verifier.verify(device.issue(b"\1" * 64), Bound(b"\1" * 64, "ones"), now=now)

    assert (True, True, True) == (device.simulated, verification.simulated, verification.genuine)
    assert (Kind.COMPOSITE if gpus else kind) is device.kind is verification.claims.kind
    measured = measure_program(program)
    wanted = {
        Kind.SGX: ("mrenclave", measured.mrenclave),
        Kind.TDX: ("mrtd", measured.mrtd),
        Kind.SEV_SNP: ("measurement", measured.measurement),
        Kind.NITRO: ("pcr0", measured.pcr0),
        Kind.CCA: ("rim", measured.rim),
        Kind.AZURE_VTPM: ("pcr11", measured.pcr11),
    }
    name, value = wanted[kind]
    assert value == verification.claims.measurements[f"{kind}.{name}" if gpus else name]
    assert 32 == len(device.sealing_key("UniqueKey"))


def test_gpus_are_all_or_none(folder: Path, program: list[str]) -> None:
    with pytest.raises(NoDevice, match="ENCLASP_GPUS: expected 'all', or nothing, got '1'"):
        find_issuer({"ENCLASP_SIMULATION": str(folder), "ENCLASP_GPUS": "1"}, program)


@pytest.mark.parametrize("kind", [Kind.SGX, Kind.TDX])
def test_issued_evidence_is_accepted_with_the_folders_trust_and_collateral(
    folder: Path, program: list[str], kind: Kind, now
) -> None:
    anchors = TrustAnchors.genuine().with_simulated((folder / "trust.pem").read_bytes())
    verifier = Verifier(anchors, parse_bundle((folder / "collateral.json").read_bytes()))
    device = issuer(folder, program, kind.value)

    attested = verifier.verify(device.issue(b"\1" * 64), Bound(b"\1" * 64, "ones"), now=load(folder).made_at).attested()

    measured = measure_program(program)
    assert device.simulated
    assert attested.simulated
    if kind is Kind.SGX:
        assert {"mrenclave": measured.mrenclave, "mrsigner": measured.mrsigner} == attested.claims.measurements
    else:
        assert measured.mrtd == attested.claims.measurements["mrtd"]


def test_report_data_of_another_length_is_refused(folder: Path, program: list[str]) -> None:
    with pytest.raises(ValueError, match="expected 64 bytes, got 63"):
        issuer(folder, program).issue(bytes(63))


def test_a_measurement_is_of_the_code_and_not_of_its_place_or_arguments(program: list[str], tmp_path: Path) -> None:
    measured = measure_program(program)

    assert measured == measure_program(["/usr/bin/python3.11", *program[1:3], "--port", "81"])
    assert measured == measure_program(program[1:])
    (tmp_path / "package" / "notes.txt").write_text("changed")
    assert measured == measure_program(program)
    moved = tmp_path / "moved"
    moved.mkdir()
    (tmp_path / "package").rename(moved / "elsewhere")
    assert measured == measure_program([program[0], program[1], str(moved / "elsewhere")])
    (moved / "elsewhere" / "inner" / "a.py").write_text("a = 2")
    changed = measure_program([program[0], program[1], str(moved / "elsewhere")])
    assert measured.mrtd != changed.mrtd
    assert measured.mrenclave != changed.mrenclave
    assert measured.mrsigner == changed.mrsigner


def test_a_command_is_found_in_the_path_and_odd_arguments_name_no_file() -> None:
    assert measure_program(["env"]) == measure_program([str(Path("/usr/bin/env"))])
    assert measure_program(["env"]) != measure_program(["no-such-command"])
    assert measure_program(["no-such-command", "a\0b", "x" * 5000]) == measure_program([])


def test_sealing_keys_differ_by_mode_program_kind_and_vendor_only(
    folder: Path, program: list[str], tmp_path: Path
) -> None:
    device = issuer(folder, program)
    other_program = issuer(folder, program[:2])

    keys = {mode: device.sealing_key(mode) for mode in ("ProductKey", "UniqueKey")}
    assert keys == {mode: issuer(folder, program).sealing_key(mode) for mode in keys}
    assert [32, 32] == [len(key) for key in keys.values()]
    assert keys["ProductKey"] == other_program.sealing_key("ProductKey")
    create(tmp_path / "second")
    others = {
        other_program.sealing_key("UniqueKey"),
        issuer(folder, program, "sgx").sealing_key("ProductKey"),
        issuer(folder, program, "sgx").sealing_key("UniqueKey"),
        issuer(tmp_path / "second", program).sealing_key("ProductKey"),
    }
    assert 6 == len(others | set(keys.values()))
    with pytest.raises(ValueError, match="expected one of ProductKey, UniqueKey, got 'Disabled'"):
        device.sealing_key("Disabled")


def test_a_loaded_vendor_makes_the_same_machines_as_the_one_that_was_created(folder: Path) -> None:
    vendor = load(folder)
    anchors = TrustAnchors.genuine().with_simulated(vendor.trust_pem)
    machine = vendor.new_machine(TcbStatus.OUT_OF_DATE)
    evidence = QuotingEnclave(machine, Kind.TDX).quote_trust_domain(TrustDomain(bytes(48)), bytes(64))

    verification = Verifier(anchors, vendor.endorsements).verify(
        evidence, Bound(bytes(64), "zeros"), now=vendor.made_at
    )

    assert TcbStatus.OUT_OF_DATE is verification.attested().claims.tcb_status
