"""Only who may answer for a certificate's issuer says whether it is revoked, and an answer is good for its day."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from attestation.checks import Check, Status
from attestation.errors import EndorsementFormatError
from attestation.nvidia_gpu.ocsp import read_answers
from attestation.simulation.nvidia import Authority, SimulatedNvidia, issue_certificate


def asked(nvidia: SimulatedNvidia, responses: list[bytes], now: datetime) -> Check:
    """About the boot ROM's certificate."""
    brom, issuer = nvidia.gpu.chain[1].certificate, nvidia.gpu.chain[2].certificate
    return read_answers(responses).check("gpu.revocation", ((brom, issuer),), now)


def answered_by(nvidia: SimulatedNvidia, responder: Authority, now: datetime, issuer: int = 2) -> bytes:
    builder = ocsp.OCSPResponseBuilder().add_response(
        nvidia.gpu.chain[1].certificate,
        nvidia.gpu.chain[issuer].certificate,
        hashes.SHA384(),
        ocsp.OCSPCertStatus.GOOD,
        now,
        now + timedelta(days=1),
        None,
        None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
    signed = builder.certificates([responder.certificate]).sign(responder.key, hashes.SHA384())
    return signed.public_bytes(Encoding.DER)


def test_a_fresh_answer_is_good_for_a_day(nvidia: SimulatedNvidia, now: datetime) -> None:
    responses = nvidia.ocsp_responses(nvidia.gpu.chain, now)

    assert Status.PASSED is asked(nvidia, responses, now + timedelta(hours=23)).status
    for at in (now - timedelta(seconds=1), now + timedelta(hours=25)):
        stale = asked(nvidia, responses, at)
        assert (Status.NOT_CHECKED, "V261") == (stale.status, stale.code)
        assert "no valid answer for: GH100 A01 GSP BROM" == stale.found


def test_a_revoked_certificate_stays_so(nvidia: SimulatedNvidia, now: datetime) -> None:
    serial = nvidia.gpu.chain[1].certificate.serial_number
    responses = nvidia.ocsp_responses(nvidia.gpu.chain, now, revoked=[serial])
    good = nvidia.ocsp_responses(nvidia.gpu.chain, now)

    for given in (responses, responses + good):
        refusal = asked(nvidia, given, now + timedelta(days=100))
        assert (Status.FAILED, "V107") == (refusal.status, refusal.code)


def test_the_issuer_itself_may_answer(nvidia: SimulatedNvidia, now: datetime) -> None:
    assert Status.PASSED is asked(nvidia, [answered_by(nvidia, nvidia.gpu.chain[2], now)], now).status


@pytest.mark.parametrize(
    "make",
    [
        lambda n, o, t: answered_by(n, n.gpu.chain[0], t),
        lambda n, o, t: answered_by(n, issue_certificate("Responder", n.gpu.chain[2], t, t + timedelta(days=9)), t),
        lambda n, o, t: answered_by(n, n.gpu.chain[2], t, issuer=3),
        lambda n, o, t: o.ocsp_responses(o.gpu.chain, t)[1],
        lambda n, o, t: n.ocsp_responses(n.gpu.chain, t)[2],
    ],
    ids=["the device itself", "no responder's purpose", "another issuer", "another vendor", "another certificate"],
)
def test_an_answer_of_whoever_may_not_answer_is_none(
    nvidia: SimulatedNvidia, other_nvidia: SimulatedNvidia, now: datetime, make: Callable[..., bytes]
) -> None:
    assert Status.NOT_CHECKED is asked(nvidia, [make(nvidia, other_nvidia, now)], now).status


def test_an_altered_answer_is_none(nvidia: SimulatedNvidia, now: datetime) -> None:
    response = nvidia.ocsp_responses(nvidia.gpu.chain, now)[1]
    signature = ocsp.load_der_ocsp_response(response).signature
    altered = response.replace(signature, signature[:-1] + bytes([signature[-1] ^ 1]))

    assert Status.NOT_CHECKED is asked(nvidia, [altered], now).status


@pytest.mark.parametrize("raw", [b"", b"\x30\x03\x0a\x01\x06", b"x" * 40])
def test_what_is_no_answer_is_refused(raw: bytes) -> None:
    with pytest.raises(EndorsementFormatError, match="OCSP response: expected a successful one"):
        read_answers([raw])
