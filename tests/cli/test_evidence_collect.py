"""`evidence collect` says which interface it took, and why not the others."""

from base64 import b64decode
from pathlib import Path

import pytest

from attestation.collect.finder import INTERFACES, ask
from tests.cli.conftest import Enclasp


def test_without_hardware_every_interface_says_why(enclasp: Enclasp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENCLASP_SIMULATION", raising=False)
    if any(answer.issuer for answer in ask(INTERFACES)):
        pytest.skip("this machine has confidential computing hardware")
    ended = enclasp("evidence", "collect")
    assert 3 == ended.code
    assert "error[V129]: no interface to confidential computing hardware can be used" in ended.err
    assert all(f"  {way.name}: " in ended.err for way in INTERFACES)

    chosen = enclasp("evidence", "collect", "--interface", "NITRO")
    assert "Nitro (/dev/nsm): " in chosen.err
    assert "Gramine" not in chosen.err

    unknown = enclasp("evidence", "collect", "--interface", "abacus")
    assert 2 == unknown.code
    assert "got 'abacus'" in unknown.err


def test_simulated_evidence_is_collected_and_verified(
    enclasp: Enclasp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    vendor, file = tmp_path / "vendor", tmp_path / "evidence.bin"
    enclasp("simulate", "vendor", "new", vendor)
    monkeypatch.setenv("ENCLASP_SIMULATION", str(vendor))
    collected = enclasp("evidence", "collect", "--report-data", "00ff", "--out", file)
    assert 0 == collected.code, collected.err
    assert "SIMULATED" in collected.err

    flags = ("--trust", vendor / "trust.pem", "--collateral", vendor / "collateral.json")
    assert 0 == enclasp("evidence", "verify", file, "--report-data", "00ff", *flags).code
    assert 4 == enclasp("evidence", "verify", file, "--report-data", "00fe", *flags).code

    both = tmp_path / "composite.json"
    assert 0 == enclasp("evidence", "collect", "--gpus", "--report-data", "00ff", "--out", both).code
    verified = enclasp("evidence", "verify", both, "--report-data", "00ff", *flags, "-o", "json")
    assert (0, "composite") == (verified.code, verified.document["platform"])
    assert "tdx nvidia-gpu" == verified.document["claims"]["parts"]
    assert 4 == enclasp("evidence", "verify", both, "--report-data", "00fe", *flags).code

    document = enclasp("evidence", "collect", "-o", "json").document
    assert (True, "tdx", "00" * 64) == (document["simulated"], document["platform"], document["report_data"])
    assert b64decode(document["evidence"])[:2] == b"\x04\x00"
