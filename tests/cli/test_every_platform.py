"""`evidence verify FOLDER` is right on recorded evidence of every platform, without being told which one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors"
CASES = sorted(path.parent for path in VECTORS.glob("*/*/case.json") if path.parts[-3] not in ("eat-ear", "derived"))
VERDICTS = {
    "genuine": {"affirming", "warning"},
    "debug": {"contraindicated"},
    "out-of-date": {"contraindicated"},
    "not-supported": {"contraindicated"},
    "tampered": {"contraindicated"},
    "no-collateral": {"none"},
}
MISSING_ENDORSEMENTS = {
    "azure-vtpm/03-tdx": "its folder has no DCAP collateral",
    "nvidia/02-blackwell-gb100": "no RIM of it is to be had",
    "nvidia/03-nvswitch-ls10": "its VBIOS RIM's signer has run out, and there is none of a driver",
    "nvidia/05-hopper-580-driver-rim": "no RIM of its VBIOS is to be had",
}


@pytest.mark.skipif(not CASES, reason="the recorded evidence in ../shared is not here")
def test_every_case_has_the_verdict_that_its_record_says() -> None:
    wrong = []
    for folder in CASES:
        case = json.loads((folder / "case.json").read_text())
        at = str(case.get("verify_at") or "any").split()[0]
        at = "2025-01-01T00:00:00Z" if at == "any" else at
        command = [sys.executable, "-m", "coordinator", "evidence", "verify", str(folder), "--at", at, "-o", "json"]
        ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
        document = json.loads(ended.stdout)
        wanted = {"none"} if case["id"] in MISSING_ENDORSEMENTS else VERDICTS[case["expect"]["verdict"]]
        if document["verdict"] not in wanted or (ended.returncode == 0) != (document["verdict"] == "affirming"):
            wrong.append((case["id"], document["verdict"], ended.returncode))
        told = case["expect"].get("tcb_status")
        if told and document["claims"]["tcb_status"] != told:
            wrong.append((case["id"], document["claims"]["tcb_status"], told))
    assert [] == wrong
