"""A coordinator says aloud that a marble joined by a waiver, warns before the waiver ends, and refuses after it."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.anchors import TrustAnchors
from attestation.claims import TcbStatus
from attestation.kinds import Kind
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import new_vendor
from attestation.verify import Verifier
from coordinator.decisions.errors import NotAttested
from coordinator.service import Coordinator
from marble.protocol import ActivationRequest
from tests.coordinator.test_no_sealing_key import NOW, environment
from tests.support import marble_client

MANIFEST = """
Packages:
  web:
    TDX:
      MRTD: "{mrtd}"
      Waivers: [{{Status: OutOfDate, Until: {until}, Reason: firmware ordered}}]
Marbles:
  web: {{Package: web}}
Config: {{SealMode: Disabled}}
"""


@pytest.mark.parametrize(
    ("until", "level"), [("2026-12-31", logging.INFO), ("2026-11-25", logging.WARNING), ("2026-11-24", None)]
)
async def test_a_marble_on_an_old_platform_joins_while_the_waiver_holds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, until: str, level: int | None
) -> None:
    caplog.set_level(logging.INFO, "enclasp")
    vendor = new_vendor(NOW)
    quoting = QuotingEnclave(vendor.new_machine(TcbStatus.OUT_OF_DATE), Kind.TDX)
    anchors = TrustAnchors.genuine().with_simulated(vendor.trust_pem)
    coordinator = Coordinator(replace(environment(tmp_path), verifier=Verifier(anchors, vendor.endorsements)))
    await coordinator.set_manifest(MANIFEST.format(mrtd="07" * 48, until=until).encode())
    join = marble_client.prepare(lambda data: quoting.quote_trust_domain(TrustDomain(b"\7" * 48), data).raw, "web")
    request = ActivationRequest(join.quote, join.csr, "web", join.uuid)
    leaf = join.certificate.public_bytes(Encoding.DER)

    if level is None:
        with pytest.raises(NotAttested, match="expired yesterday"):
            await coordinator.activate(request, leaf)
    else:
        await coordinator.activate(request, leaf)
    await coordinator.close()

    said = [record for record in caplog.records if record.getMessage() == "waiver in use"]
    assert ([] if level is None else [level]) == [record.levelno for record in said]
    if said:
        assert f"OutOfDate is waived until the end of {until}: firmware ordered" == said[0].__dict__["fields"]["waiver"]
