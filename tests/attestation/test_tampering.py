"""Whoever changes evidence is found out, and no bytes make the verifier fail in any other way than by its checks."""

import base64
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.anchors import TrustAnchors
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.endorsements import Endorsements
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence, recognise
from attestation.kinds import Kind
from attestation.simulation.intel_pki import pem
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor
from attestation.verify import Verifier

SEED = 20261125
FLIPS_PER_REGION = 12
# Regions of a quote by what protects them: (name, start, end) from the start of the quote.
REGIONS = {
    "sgx-02": [("header and body", 0, 432), ("signature", 436, 500), ("key", 500, 564), ("QE report", 564, 948)],
    "tdx-01": [("header and body", 0, 632), ("signature", 636, 700), ("key", 700, 764), ("QE report", 770, 1154)],
    "tdx-07": [("header and body", 0, 702), ("signature", 706, 770), ("key", 770, 834), ("QE report", 840, 1224)],
}
FLIPS = [(name, *region) for name, regions in REGIONS.items() for region in regions]


@pytest.mark.parametrize(("name", "region", "start", "end"), FLIPS)
def test_a_flipped_bit_in_a_signed_region_is_found(
    case: Callable, name: str, region: str, start: int, end: int
) -> None:
    real = case(name)
    verifier = Verifier(TrustAnchors.genuine(), real.endorsements)
    assert verifier.verify(recognise(real.quote), Unbound(), now=real.at).genuine
    chosen = random.Random(f"{SEED} {name} {region}")

    for _ in range(FLIPS_PER_REGION):
        changed = bytearray(real.quote)
        changed[chosen.randrange(start, end)] ^= 1 << chosen.randrange(8)
        verification = verifier.verify(Evidence(recognise(real.quote).kind, bytes(changed)), Unbound(), now=real.at)

        assert not verification.genuine
        assert any(check.status is Status.FAILED and check.code for check in verification.checks)


@pytest.mark.parametrize("position", range(3))
def test_a_flipped_bit_in_a_certificate_of_the_quote_is_found(
    vendor: SimulatedVendor, verifier: Verifier, now, position: int
) -> None:
    chain = x509.load_pem_x509_certificates(vendor.machine.chain_pem)
    whole = chain[position].public_bytes(Encoding.DER)
    chosen = random.Random(f"{SEED} certificate {position}")

    for at in chosen.sample(range(len(whole)), 150):
        changed = bytearray(whole)
        changed[at] ^= 1 << chosen.randrange(8)
        parts = [pem(c) for c in chain]
        parts[position] = b"".join(
            (b"-----BEGIN CERTIFICATE-----\n", base64.encodebytes(changed), b"-----END CERTIFICATE-----\n")
        )
        machine = replace(vendor.machine, chain_pem=b"".join(parts))
        evidence = QuotingEnclave(machine, Kind.TDX).quote_trust_domain(TrustDomain(bytes(48)), bytes(64))

        verification = verifier.verify(evidence, Unbound(), now=now)

        # The root in the quote is not believed, so it may be anything that can be read.
        assert position == 2 or not verification.genuine


@pytest.mark.parametrize("name", REGIONS)
def test_a_cut_quote_is_refused_as_malformed_and_a_padded_one_accepted(case: Callable, name: str) -> None:
    real = case(name)
    verifier = Verifier(TrustAnchors.genuine(), real.endorsements)
    kind = recognise(real.quote).kind
    whole = real.quote.rstrip(b"\0")

    for size in (0, 1, 47, 48, 100, 431, 436, 600, 640, 1000, len(whole) - 60):
        verification = verifier.verify(Evidence(kind, whole[:size]), Unbound(), now=real.at)
        assert ["quote.format"] == [c.name for c in verification.checks if c.status is Status.FAILED]
        assert not verification.genuine
    assert verifier.verify(Evidence(kind, real.quote + bytes(70)), Unbound(), now=real.at).genuine


def test_a_quote_signed_with_another_key_is_refused_although_its_machine_is_genuine(
    vendor: SimulatedVendor, verifier: Verifier, now
) -> None:
    mine = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(TrustDomain(bytes(48)), bytes(64))
    forged = QuotingEnclave(vendor.new_machine(), Kind.TDX).quote_trust_domain(TrustDomain(b"\1" * 48), bytes(64))
    start = 632 + 4
    mixed = forged.raw[: start + 128] + mine.raw[start + 128 :]

    verification = verifier.verify(Evidence(Kind.TDX, mixed), Unbound(), now=now)

    assert not verification.genuine
    assert ["qe.attestation-key-binding"] == [c.name for c in verification.checks if c.status is Status.FAILED]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_change_to_a_quote_makes_the_verifier_fail_otherwise(
    data: st.DataObject, vendor: SimulatedVendor, verifier: Verifier, now
) -> None:
    kind = data.draw(st.sampled_from(Kind))
    quote = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(TrustDomain(bytes(48)), bytes(64)).raw
    start = data.draw(st.integers(0, len(quote)))
    end = data.draw(st.integers(start, min(len(quote), start + 64)))
    changed = quote[:start] + data.draw(st.binary(max_size=80)) + quote[end:]

    verification = verifier.verify(Evidence(kind, changed), Unbound(), now=now)

    if changed[: len(quote)] != quote and verification.genuine:
        # What no signature covers: what stands around certificates in PEM, and the root, which comes from the anchors.
        signed = quote.index(b"-----BEGIN")
        assert changed[:signed] == quote[:signed]


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=2048))
def test_any_bytes_are_refused_or_verified(raw: bytes, now) -> None:
    verifier = Verifier(TrustAnchors.genuine(), Endorsements.none())
    for prefix in (b"", b"\3\0\2\0\0\0\0\0", b"\4\0\2\0\x81\0\0\0", b"\5\0\2\0\x81\0\0\0"):
        try:
            evidence = recognise(prefix + raw)
        except EvidenceFormatError:
            continue
        assert not verifier.verify(evidence, Unbound(), now=now).genuine
