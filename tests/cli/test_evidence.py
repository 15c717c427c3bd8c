"""`enclasp evidence show|verify`: verdicts, exit codes, and the document that scripts rely on."""

import json
import re
from pathlib import Path

import pytest

from attestation.claims import TcbStatus
from attestation.evidence import with_open_enclave_header
from attestation.kinds import Kind
from attestation.nitro.format import parse_document
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor, new_vendor
from tests.cli.conftest import Enclasp, Ended
from tests.fakes.front_door import NOON

NITRO = Path(__file__).parents[1] / "vectors" / "nitro"
AT = ("--at", "2026-06-01T12:00:00Z")
PROGRAM = TrustDomain(mrtd=bytes([7]) * 48)
REPORT_DATA = bytes(range(64))


@pytest.fixture(scope="module")
def vendor() -> SimulatedVendor:
    return new_vendor(NOON)


@pytest.fixture
def folder(vendor: SimulatedVendor, tmp_path: Path) -> Path:
    """A folder with TDX evidence and its endorsements; the simulated root lies outside of it."""
    folder = tmp_path / "evidence"
    folder.mkdir()
    quote = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(PROGRAM, REPORT_DATA)
    (folder / "quote.bin").write_bytes(quote.raw)
    (folder / "collateral.json").write_bytes(vendor.bundle())
    (tmp_path / "trust.pem").write_bytes(vendor.trust_pem)
    return folder


def verify(enclasp: Enclasp, *arguments: str | Path) -> Ended:
    return enclasp("evidence", "verify", *arguments, *AT, "-o", "json")


def test_good_evidence_is_affirmed_and_said_to_be_simulated(enclasp: Enclasp, folder: Path) -> None:
    ended = verify(enclasp, folder, "--trust", folder.parent / "trust.pem")
    document = ended.document

    assert (0, "") == (ended.code, ended.err)
    assert ("affirming", True, "tdx", True) == tuple(
        document[key] for key in ("verdict", "genuine", "platform", "simulated")
    )
    claims = document["claims"]
    assert claims["debuggable"] is False
    assert claims["tcb_status"] == "UpToDate"
    assert claims["advisories"] == []
    assert claims["report_data"] == REPORT_DATA.hex()
    assert claims["measurements"]["mrtd"] == "07" * 48
    assert {"name", "status", "expected", "found", "source", "hint"} <= set(document["checks"][0])


def test_the_table_says_simulated_in_words(enclasp: Enclasp, folder: Path) -> None:
    ended = enclasp("evidence", "verify", folder, "--trust", folder.parent / "trust.pem", *AT)
    assert ended.code == 0
    assert "SIMULATED" in ended.text
    assert "verdict                   affirming" in ended.text
    assert "\x1b" not in ended.text


def test_a_simulated_root_in_the_folder_is_not_trusted(enclasp: Enclasp, folder: Path) -> None:
    (folder / "trust.pem").write_bytes((folder.parent / "trust.pem").read_bytes())
    ended = verify(enclasp, folder)
    assert ended.code == 4
    assert ended.document["genuine"] is False


def test_without_endorsements_the_verdict_is_none(enclasp: Enclasp, folder: Path) -> None:
    ended = verify(enclasp, folder / "quote.bin", "--trust", folder.parent / "trust.pem")
    assert (4, "none") == (ended.code, ended.document["verdict"])


def test_endorsements_may_be_given_apart(enclasp: Enclasp, folder: Path) -> None:
    trust, collateral = folder.parent / "trust.pem", folder / "collateral.json"
    ended = verify(enclasp, folder / "quote.bin", "--trust", trust, "--collateral", collateral)
    assert (0, "affirming") == (ended.code, ended.document["verdict"])


def test_at_another_time_the_endorsements_have_expired(enclasp: Enclasp, folder: Path) -> None:
    trust = folder.parent / "trust.pem"
    ended = enclasp("evidence", "verify", folder, "--trust", trust, "--at", "2046-01-01T00:00:00Z", "-o", "json")
    assert (4, False) == (ended.code, ended.document["genuine"])


@pytest.mark.parametrize(
    ("flag", "value", "code"),
    [
        ("--report-data", REPORT_DATA.hex(), 0),
        ("--report-data", REPORT_DATA.hex().upper(), 0),
        ("--report-data", bytes(64).hex(), 4),
        ("--nonce", REPORT_DATA[:32].hex(), 4),
        ("--nonce", REPORT_DATA.hex(), 0),
        ("--nonce", "xyz", 2),
        ("--nonce", "00" * 513, 2),
        ("--report-data", "00" * 65, 2),
    ],
)
def test_the_report_data_may_be_demanded(enclasp: Enclasp, folder: Path, flag: str, value: str, code: int) -> None:
    assert verify(enclasp, folder, "--trust", folder.parent / "trust.pem", flag, value).code == code


def test_a_nonce_shorter_than_the_report_data_is_filled_up_with_zeros(
    enclasp: Enclasp, vendor: SimulatedVendor, folder: Path
) -> None:
    quote = QuotingEnclave(vendor.machine, Kind.SGX).quote_enclave(Enclave(bytes(32), bytes(32)), b"n" * 32 + bytes(32))
    (folder / "quote.bin").write_bytes(with_open_enclave_header(quote.raw))
    ended = verify(enclasp, folder, "--trust", folder.parent / "trust.pem", "--nonce", (b"n" * 32).hex())
    assert (0, "sgx") == (ended.code, ended.document["platform"])


def test_a_nonce_that_the_platform_cannot_hold_is_refused_in_words(enclasp: Enclasp, folder: Path) -> None:
    ended = verify(enclasp, folder, "--trust", folder.parent / "trust.pem", "--nonce", (REPORT_DATA + b"x").hex())
    (check,) = [check for check in ended.document["checks"] if check["name"] == "binding.report-data"]
    assert (4, "failed") == (ended.code, check["status"])
    assert "a nonce of 65 bytes; tdx evidence can hold at most 64" in check["expected"]


def test_the_nonce_of_a_nitro_document_is_its_own_field(enclasp: Enclasp) -> None:
    folder = NITRO / "02-prod-2023-userdata-nonce"
    nonce = parse_document((folder / "document.cbor").read_bytes()).nonce
    assert nonce
    later = ("--at", "2023-06-01T00:00:00Z", "-o", "json")

    good = enclasp("evidence", "verify", folder, "--nonce", nonce.hex(), *later)
    other = enclasp("evidence", "verify", folder, "--nonce", (nonce[:-1] + b"?").hex(), *later)
    none = enclasp("evidence", "verify", NITRO / "03-debug-2022", "--nonce", nonce.hex(), *later)

    checks = [{c["name"]: c for c in ended.document["checks"]}["binding.nonce"] for ended in (good, other, none)]
    assert [0, 4, 4] == [ended.code for ended in (good, other, none)]
    assert ["passed", "failed", "failed"] == [check["status"] for check in checks]
    assert "no nonce" == checks[2]["found"]
    # Without the nonce nothing says that a document is fresh when its certificate has run out.
    assert 4 == enclasp("evidence", "verify", folder, *later).code


def test_a_platform_that_needs_hardening_is_a_warning(enclasp: Enclasp, vendor: SimulatedVendor, folder: Path) -> None:
    machine = vendor.new_machine(TcbStatus.SW_HARDENING_NEEDED)
    quote = QuotingEnclave(machine, Kind.TDX).quote_trust_domain(PROGRAM, REPORT_DATA)
    (folder / "quote.bin").write_bytes(quote.raw)
    trust = folder.parent / "trust.pem"

    strict = verify(enclasp, folder, "--trust", trust)
    lenient = verify(enclasp, folder, "--trust", trust, "--accept-warnings")

    assert (4, "warning") == (strict.code, strict.document["verdict"])
    assert (0, "warning") == (lenient.code, lenient.document["verdict"])


def test_a_debuggable_program_is_contraindicated_though_genuine(
    enclasp: Enclasp, vendor: SimulatedVendor, folder: Path
) -> None:
    quote = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(PROGRAM.debuggable(), REPORT_DATA)
    (folder / "quote.bin").write_bytes(quote.raw)
    ended = verify(enclasp, folder, "--trust", folder.parent / "trust.pem", "--accept-warnings")
    assert (4, "contraindicated", True) == (ended.code, ended.document["verdict"], ended.document["genuine"])


@pytest.mark.parametrize(("measurement", "code"), [("07" * 48, 0), ("08" * 48, 4)])
def test_a_policy_names_the_program(enclasp: Enclasp, folder: Path, measurement: str, code: int) -> None:
    policy = folder.parent / "policy.yaml"
    policy.write_text(f"TDX:\n  MRTD: '{measurement}'\n")
    ended = verify(enclasp, folder, "--trust", folder.parent / "trust.pem", "--policy", policy)
    assert ended.code == code
    check = next(check for check in ended.document["checks"] if check["name"] == "tdx.mrtd")
    assert (measurement, "07" * 48) == (check["expected"], check["found"])
    assert "policy.yaml" in check["source"]


def test_several_paths_give_a_list_and_the_gravest_exit_code(enclasp: Enclasp, folder: Path) -> None:
    trust = folder.parent / "trust.pem"
    ended = verify(enclasp, folder, folder / "quote.bin", "--trust", trust)
    assert ended.code == 4
    assert ["affirming", "none"] == [document["verdict"] for document in ended.document]


def test_what_is_no_evidence_is_invalid_input(enclasp: Enclasp, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello " * 20)
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "text", tmp_path / "empty", tmp_path / "absent"):
        ended = verify(enclasp, path)
        assert (3, b"") == (ended.code, ended.out)
        assert '"error"' in ended.err
        assert str(path) in ended.err


def test_a_folder_is_read_by_the_names_of_its_files(enclasp: Enclasp, tmp_path: Path) -> None:
    (tmp_path / "report.bin").write_bytes(bytes(1184))
    ended = enclasp("evidence", "verify", tmp_path)
    assert (3, True) == (ended.code, "nor is it a SEV-SNP report" in ended.err)
    (tmp_path / "report.bin").write_bytes(b"\x03".ljust(1184, b"\0"))
    ended = enclasp("evidence", "verify", tmp_path, "-o", "json")
    assert (4, "sev-snp", False) == (ended.code, ended.document["platform"], ended.document["genuine"])


def test_one_bit_makes_evidence_not_genuine(enclasp: Enclasp, folder: Path) -> None:
    raw = bytearray((folder / "quote.bin").read_bytes())
    raw[200] ^= 1
    (folder / "quote.bin").write_bytes(raw)
    ended = verify(enclasp, folder, "--trust", folder.parent / "trust.pem")
    assert (4, False) == (ended.code, ended.document["genuine"])


def test_show_prints_what_evidence_says_and_that_nothing_is_verified(enclasp: Enclasp, folder: Path) -> None:
    ended = enclasp("evidence", "show", folder / "quote.bin")
    assert ended.code == 0
    assert "nothing of this is verified" in ended.text
    assert "07" * 48 in ended.text
    assert "verdict" not in ended.text

    document = enclasp("evidence", "show", folder, "-o", "json").document
    assert document["verified"] is False
    assert "verdict" not in document
    assert document["claims"]["measurements"]["mrtd"] == "07" * 48


def test_a_moment_without_its_offset_is_refused(enclasp: Enclasp, folder: Path) -> None:
    ended = enclasp("evidence", "verify", folder, "--at", "2026-06-01T12:00:00")
    assert ended.code == 2
    assert "expected a moment like 2026-11-20T12:00:00Z" in ended.err


def test_a_genuine_root_cannot_be_given_as_a_simulated_one(enclasp: Enclasp, folder: Path) -> None:
    (folder / "not_a_root.pem").write_text("nothing")
    ended = verify(enclasp, folder, "--trust", folder / "not_a_root.pem")
    assert ended.code == 3
    assert "trust anchor" in ended.err


def test_json_that_holds_no_keys_is_no_trust(enclasp: Enclasp, folder: Path) -> None:
    ended = verify(enclasp, folder, "--trust", folder / "collateral.json")
    assert ended.code == 3
    assert "expected root certificates in PEM or EC keys in a JWKS, got JSON with neither" in ended.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not JSON", "collateral: expected JSON, got: Expecting value (line 1)"),
        ('{"dcap": [{}]}', "expected format 'enclasp-collateral/1' or Intel's fields, got neither"),
        ('{"format": "enclasp-collateral/1", "dcap": [{}]}', "expected a string, got nothing"),
        ("[]", "collateral: expected an object, got a list"),
    ],
)
def test_collateral_that_is_none_is_told_in_words(enclasp: Enclasp, folder: Path, text: str, said: str) -> None:
    (folder / "other.json").write_text(text)
    ended = verify(enclasp, folder, "--collateral", folder / "other.json")
    assert (3, True) == (ended.code, said in ended.err), ended.err
    assert "`enclasp collateral fetch` writes bundles" in ended.err


def test_the_reasons_of_a_verdict_stand_before_what_passed(enclasp: Enclasp, folder: Path) -> None:
    trust = ("--trust", folder.parent / "trust.pem")
    good = enclasp("evidence", "verify", folder, *trust, *AT).text.splitlines()
    assert not [line for line in good if line.startswith("failed ")]
    bad = enclasp("evidence", "verify", folder, *trust, "--at", "2065-01-01T00:00:00Z").text.splitlines()
    (reasons,) = [line for line in bad if line.startswith("failed ")]
    assert bad.index(reasons) < bad.index("measurements")
    assert re.match(r"failed                    pck\.validity, \S+, \S+, \S+ and \d+ more$", reasons)


def test_a_long_name_of_a_claim_does_not_run_into_its_value(enclasp: Enclasp, folder: Path) -> None:
    text = enclasp("evidence", "verify", folder, *AT).text
    assert re.search(r"^tcb_evaluation_data_number \d+$", text, re.MULTILINE)


VECTORS = Path(__file__).parents[1] / "vectors" / "dcap"
VERDICTS = {
    "UpToDate": "affirming",
    "SWHardeningNeeded": "warning",
    "ConfigurationNeeded": "warning",
    "ConfigurationAndSWHardeningNeeded": "warning",
}


@pytest.mark.parametrize("case", sorted(VECTORS.glob("*/case.json")), ids=lambda case: case.parent.name)
def test_evidence_of_real_hardware_gets_its_verdict(enclasp: Enclasp, case: Path) -> None:
    said = json.loads(case.read_text())
    expected = said["expect"]
    verdict = VERDICTS.get(expected.get("tcb_status"), "contraindicated")
    if expected["verdict"] == "debug":
        verdict = "contraindicated"
    if expected["verdict"] == "no-collateral":
        verdict = "none"
    at = ("--at", said["verify_at"]) if said["verify_at"] else ()

    ended = enclasp("evidence", "verify", case.parent, *at, "-o", "json")

    assert ended.code == (0 if verdict == "affirming" else 4)
    assert ended.document["verdict"] == verdict
    assert ended.document["simulated"] is False
    if "tcb_status" in expected:
        assert ended.document["claims"]["tcb_status"] == expected["tcb_status"]
        assert sorted(ended.document["claims"]["advisories"]) == sorted(expected["advisory_ids"])
    for name in ("mrtd", "mrenclave"):
        if name in said["measurements"]:
            assert ended.document["claims"]["measurements"][name] == said["measurements"][name]


def test_a_waiver_of_the_policy_is_shown_while_it_holds_and_named_when_it_has_expired(
    enclasp: Enclasp, vendor: SimulatedVendor, folder: Path
) -> None:
    old = QuotingEnclave(vendor.new_machine(TcbStatus.OUT_OF_DATE), Kind.TDX)
    (folder / "quote.bin").write_bytes(old.quote_trust_domain(PROGRAM, REPORT_DATA).raw)
    (folder / "collateral.json").write_bytes(vendor.bundle())
    policy = folder.parent / "policy.yaml"

    def ended(until: str, *output: str) -> Ended:
        waiver = f"{{Status: OutOfDate, Until: {until}, Reason: firmware ordered}}"
        policy.write_text(f'TDX:\n  MRTD: "{"07" * 48}"\n  Waivers:\n    - {waiver}\n')
        trust = folder.parent / "trust.pem"
        return enclasp("evidence", "verify", folder, "--trust", trust, "--policy", policy, *AT, *output)

    shown = ended("2026-06-10")
    assert 0 == shown.code
    assert "OutOfDate is waived until the end of 2026-06-10: firmware ordered" in shown.text
    assert "2026-06-01, 9 more days" in shown.text
    assert "V301" in shown.text
    assert f"{policy}:4 /TDX/Waivers/0" in shown.text
    refused = ended("2026-05-31", "-o", "json")
    assert (4, "contraindicated") == (refused.code, refused.document["verdict"])
    (check,) = [check for check in refused.document["checks"] if check["name"] == "tcb.waiver"]
    assert ("failed", "V302") == (check["status"], check["code"])


def test_an_event_log_is_replayed_for_tdx_and_refused_for_others(enclasp: Enclasp, folder: Path) -> None:
    recorded = NITRO.parent / "dcap" / "tdx-05-v4-gcp-cos113-ccel"
    collateral, log = recorded / "collateral.json", recorded / "ccel_data.dat"
    at = ("--at", "2025-10-31T14:17:11Z", "-o", "json")
    flags = ("--collateral", collateral, "--event-log")

    good = enclasp("evidence", "verify", recorded / "quote.bin", *flags, log, *at)
    other = enclasp("evidence", "verify", recorded / "quote.bin", *flags, collateral, *at)

    assert (0, 4) == (good.code, other.code)
    names = [check["name"] for check in good.document["checks"]]
    assert [f"tdx.event-log.rtmr{number}" for number in range(4)] == [n for n in names if "event-log.rtmr" in n]
    assert "V305" in {check["code"] for check in other.document["checks"]}
    refused = enclasp("evidence", "verify", NITRO / "07-prod-2025", "--event-log", log)
    assert (2, True) == (refused.code, "--event-log is for TDX evidence, got nitro" in refused.err)
