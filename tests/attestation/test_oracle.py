"""dcap-qvl, an independent verifier, says the same of genuine and of simulated evidence, where it can say.

Known differences, all of them policy of dcap-qvl 0.7: it refuses debug, MRSERVICETD other than zero and a missing
SEPT_VE_DISABLE without a verdict; it reads no TCB info version 2 and no SGX quotes of version 4 and 5.
"""

import json
from collections.abc import Callable
from pathlib import Path

import dcap_qvl
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.binding import Unbound
from attestation.claims import TcbStatus
from attestation.kinds import Kind
from attestation.simulation.issue import Enclave, QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor
from attestation.verify import Verifier

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[1] / "vectors" / "dcap").glob("*/collateral.json"))
REFUSED_BY_ITS_POLICY = {
    "sgx-05": "Debug mode",
    "sgx-07": "decode TcbInfo",
    "tdx-06": "Debug mode",
    "tdx-08": "service TD",
    "tdx-09": "SEPT_VE_DISABLE",
    "tdx-10": "No matching TCB level",
}


NO_LEVEL_OF_INTEL = (TcbStatus.REVOKED, TcbStatus.NOT_SUPPORTED, TcbStatus.NOT_APPLICABLE)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_both_say_the_same_of_a_real_quote(folder: Path, case: Callable) -> None:
    real = case(folder)
    collateral = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(json.loads(real.collateral)))
    if folder.name[:6] in REFUSED_BY_ITS_POLICY:
        with pytest.raises(ValueError, match=REFUSED_BY_ITS_POLICY[folder.name[:6]]):
            dcap_qvl.verify(real.quote, collateral, int(real.at.timestamp()))
        return

    theirs = dcap_qvl.verify(real.quote, collateral, int(real.at.timestamp()))

    ours = real.verify().claims
    assert (theirs.status, sorted(theirs.advisory_ids), theirs.ppid.hex()) == (
        ours.tcb_status,
        sorted(ours.advisories),
        ours.hardware_id,
    )


@pytest.mark.parametrize("status", [s for s in TcbStatus if s not in NO_LEVEL_OF_INTEL])
@pytest.mark.parametrize(("kind", "version"), [(Kind.SGX, 3), (Kind.TDX, 4), (Kind.TDX, 5)])
def test_both_say_the_same_of_a_simulated_quote(
    vendor: SimulatedVendor, verifier: Verifier, now, status: TcbStatus, kind: Kind, version: int
) -> None:
    quoting_enclave = QuotingEnclave(vendor.new_machine(status), kind)
    if kind is Kind.SGX:
        evidence = quoting_enclave.quote_enclave(Enclave(bytes(32), bytes(32)), bytes(64), version)
    else:
        evidence = quoting_enclave.quote_trust_domain(TrustDomain(bytes(48)), bytes(64), version)
    ours = verifier.verify(evidence, Unbound(), now=now)
    collateral = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(vendor.collateral(kind)))
    root = vendor.root.public_bytes(Encoding.DER)

    theirs = dcap_qvl.verify_with_root_ca(evidence.raw, collateral, root, int(now.timestamp()))

    assert ours.genuine
    assert (theirs.status, theirs.advisory_ids) == (ours.claims.tcb_status, list(ours.claims.advisories))
