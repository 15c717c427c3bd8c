"""The trust chain of the finished run, drawn from what was verified in it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """What the picture says.  Measurements and digests: hex."""

    vendor: str
    coordinator_platform: str
    coordinator_measurement: str
    tcb_status: str
    root: str
    manifest_digest: str
    intermediate: str
    intersection_measurement: str
    receipts_measurement: str
    common: int
    receipt: int


def picture(facts: Facts) -> str:
    """A tree in plain Unicode, at most 100 columns wide."""
    return f"""\
 {facts.vendor}, SIMULATED
 └─ evidence  {facts.coordinator_platform}, measurement {_short(facts.coordinator_measurement)}, TCB {facts.tcb_status}
    └─ ROOT CERTIFICATE  {facts.root}   ◀ the one thing that alice and bob verified
       │                 carries the evidence, and manifest sha256 {_short(facts.manifest_digest)}
       └─ intermediate   {facts.intermediate}
          ├─ intersection   tdx, MRTD {_short(facts.intersection_measurement)}
          │  ├─◀ alice      TLS, certificate of alice in the manifest
          │  ├─◀ bob        TLS, certificate of bob in the manifest
          │  └─▶ receipts   mesh mTLS, both certificates from this tree
          ├─ receipts       sgx, MRENCLAVE {_short(facts.receipts_measurement)}
          └─ receipt key    signed receipt {facts.receipt}: {facts.common:,} customers in common"""


def _short(hexadecimal: str) -> str:
    return f"{hexadecimal[:4]}…{hexadecimal[-4:]}"
