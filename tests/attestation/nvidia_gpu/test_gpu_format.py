"""No bytes make the readers fail in any other way than by saying what is wrong with them."""

import random
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.anchors import Anchor
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.errors import EvidenceFormatError
from attestation.evidence import MAX_EVIDENCE_BYTES, Evidence
from attestation.kinds import Kind
from attestation.nvidia_gpu.format import (
    evidence_of_files,
    pack,
    parse_container,
    parse_measurements,
)
from attestation.nvidia_gpu.verify import NvidiaGpuVerifier
from attestation.starts import NVIDIA_MAGIC, kind_by_start

SEED = 20261125
FLIPS = 60


@given(st.binary(max_size=300), st.binary(max_size=300))
@settings(max_examples=50)
def test_what_is_packed_is_read_again(measurements: bytes, chain: bytes) -> None:
    raw = pack(measurements, chain)

    container = parse_container(raw)

    assert kind_by_start(raw) is Kind.NVIDIA_GPU
    assert (measurements, chain) == (container.measurements, container.chain)


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_any_container_is_read_or_refused(rest: bytes) -> None:
    for raw in (rest, NVIDIA_MAGIC + rest):
        try:
            container = parse_container(raw)
        except EvidenceFormatError:
            continue
        assert raw == pack(container.measurements, container.chain)


@given(st.data())
@settings(max_examples=100)
def test_any_change_of_measurements_is_read_or_refused(gpu_case: Callable, data: st.DataObject) -> None:
    raw = bytearray(gpu_case("01").files["evidence.bin"])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(raw)))

    for changed in (bytes(raw), bytes(raw[:end])):
        with suppress(EvidenceFormatError):
            parse_measurements(changed)


def test_every_truncation_is_refused(gpu_case: Callable) -> None:
    raw = gpu_case("01").files["evidence.bin"]

    for end in range(0, len(raw), 13):
        with pytest.raises(EvidenceFormatError, match="SPDM"):
            parse_measurements(raw[:end])
    with pytest.raises(EvidenceFormatError, match="as its lengths say"):
        parse_measurements(raw + b"\0")
    assert parse_measurements(raw).signed == raw[:-96]


@pytest.mark.parametrize("name", ["01", "03"])
def test_a_flipped_bit_anywhere_in_the_report_is_found(
    gpu_case: Callable, genuine_anchors: tuple[Anchor, ...], name: str
) -> None:
    real = gpu_case(name)
    verifier = NvidiaGpuVerifier(genuine_anchors, real.endorsements)
    report = real.files["evidence.bin"]
    assert verifier.verify(real.evidence, Unbound(), now=real.at).genuine
    chosen = random.Random(SEED)

    for _ in range(FLIPS):
        changed = bytearray(report)
        changed[chosen.randrange(len(report))] ^= 1 << chosen.randrange(8)
        evidence = Evidence(Kind.NVIDIA_GPU, pack(bytes(changed), real.files["cert_chain.pem"]))
        verification = verifier.verify(evidence, Unbound(), now=real.at)

        assert not verification.genuine
        assert any(check.status is Status.FAILED and check.code for check in verification.checks)


@pytest.mark.parametrize("position", range(4))
def test_a_flipped_bit_in_a_certificate_is_found(
    gpu_case: Callable, genuine_anchors: tuple[Anchor, ...], position: int
) -> None:
    """All but the last one: the root in the chain is not believed, and may be anything."""
    real = gpu_case("01")
    chain = [c.public_bytes(Encoding.DER) for c in x509.load_pem_x509_certificates(real.files["cert_chain.pem"])]
    chosen = random.Random(f"{SEED} {position}")

    for _ in range(FLIPS // 2):
        changed = bytearray(chain[position])
        changed[chosen.randrange(len(changed))] ^= 1 << chosen.randrange(8)
        ders = [*chain[:position], bytes(changed), *chain[position + 1 :]]
        text = "".join(
            f"-----BEGIN CERTIFICATE-----\n{b64encode(d).decode()}\n-----END CERTIFICATE-----\n" for d in ders
        )
        evidence = Evidence(Kind.NVIDIA_GPU, pack(real.files["evidence.bin"], text.encode()))
        verification = NvidiaGpuVerifier(genuine_anchors, real.endorsements).verify(evidence, Unbound(), now=real.at)

        assert not verification.genuine
        assert any(check.status is Status.FAILED and check.code for check in verification.checks)


@pytest.mark.parametrize(
    "change", [lambda c: b"", lambda c: b"no PEM", lambda c: c.replace(b"MII", b"MIJ"), lambda c: c * 3]
)
def test_a_chain_that_cannot_be_read_is_a_verdict(
    gpu_case: Callable, genuine_anchors: tuple[Anchor, ...], change: Callable[[bytes], bytes]
) -> None:
    real = gpu_case("01")
    evidence = Evidence(Kind.NVIDIA_GPU, pack(real.files["evidence.bin"], change(real.files["cert_chain.pem"])))

    verification = NvidiaGpuVerifier(genuine_anchors, real.endorsements).verify(evidence, Unbound(), now=real.at)

    assert [("gpu.format", Status.FAILED, "V250")] == [(c.name, c.status, c.code) for c in verification.checks]
    assert not verification.genuine


def test_what_is_said_twice_is_refused(gpu_case: Callable) -> None:
    raw = bytearray(gpu_case("01").files["evidence.bin"])
    second_block = 37 + 8 + 55
    raw[second_block] = raw[37 + 8]

    with pytest.raises(EvidenceFormatError, match="block 1: expected once, got twice"):
        parse_measurements(bytes(raw))


def test_files_that_are_missing_are_named() -> None:
    with pytest.raises(EvidenceFormatError, match=r"expected the file 'cert_chain\.pem', got evidence\.bin"):
        evidence_of_files({"evidence.bin": b""})


def test_evidence_that_is_too_long_is_refused() -> None:
    with pytest.raises(EvidenceFormatError, match=f"at most {MAX_EVIDENCE_BYTES} bytes"):
        pack(bytes(MAX_EVIDENCE_BYTES), b"")
