"""Messages of the join with a nonce: what is written is read, and what is none is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.binding import REPORT_DATA_BYTES
from marble import join_pb2
from marble.join_protocol import (
    SIGNALS,
    Challenge,
    JoinRequest,
    Renewable,
    RenewalRequest,
    Sealed,
    decode_challenge,
    decode_join,
    decode_renewal,
    decode_sealed,
    encode_challenge,
    encode_join,
    encode_renewal,
    encode_sealed,
)
from marble.protocol import MAX_MESSAGE_BYTES, ProtocolFormatError
from marble.sealing import SEALING_KEY_BYTES

ROOT = Path(__file__).parents[2]
REQUEST = JoinRequest(b"n" * 40, b"evidence", b"csr", bytes(SEALING_KEY_BYTES), "web", "uuid")
_sealing_keys = st.binary(min_size=SEALING_KEY_BYTES, max_size=SEALING_KEY_BYTES)
requests = st.builds(
    JoinRequest,
    st.binary(max_size=64),
    st.binary(max_size=50),
    st.binary(max_size=50),
    _sealing_keys,
    st.text(max_size=20),
    st.text(max_size=20),
)


renewals = st.builds(
    RenewalRequest, st.binary(max_size=64), st.binary(max_size=50), _sealing_keys, st.binary(max_size=50)
)
renewables = st.builds(Renewable, st.lists(st.text(max_size=9), max_size=3).map(tuple), st.sampled_from(["", *SIGNALS]))


def test_the_generated_code_is_what_the_proto_file_says(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={tmp_path}", "marble/join.proto"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "marble" / "join_pb2.py").read_text() == (ROOT / "marble" / "join_pb2.py").read_text()


def test_the_stub_names_every_field_that_the_proto_file_has() -> None:
    stub = (ROOT / "marble" / "join_pb2.pyi").read_text()
    messages = join_pb2.DESCRIPTOR.message_types_by_name.values()
    assert all(field.name in stub for message in messages for field in message.fields)


@given(requests)
def test_a_request_comes_back_as_it_was(request: JoinRequest) -> None:
    assert request == decode_join(encode_join(request))


@given(st.binary(max_size=64), st.binary(max_size=100))
def test_a_challenge_comes_back_as_it_was(nonce: bytes, root: bytes) -> None:
    assert Challenge(nonce, root) == decode_challenge(encode_challenge(Challenge(nonce, root)))


@given(renewals)
def test_a_request_for_renewal_comes_back_as_it_was(request: RenewalRequest) -> None:
    assert request == decode_renewal(encode_renewal(request))


@given(st.builds(Sealed, st.binary(max_size=50), st.none() | renewables))
def test_an_answer_comes_back_as_it_was(sealed: Sealed) -> None:
    assert sealed == decode_sealed(encode_sealed(sealed))


def test_a_marble_of_before_renewal_reads_the_answer() -> None:
    """It knows one field of the message; what it does not know it leaves alone."""
    raw = encode_sealed(Sealed(b"sealed", Renewable(("/f",), "SIGHUP")))
    assert b"sealed" == join_pb2.ChallengeResp.FromString(raw).Nonce


@pytest.mark.parametrize("signal", ["SIGKILL", "HUP", "1"])
def test_a_signal_that_no_manifest_can_name_is_refused(signal: str) -> None:
    raw = join_pb2.JoinResp(Renewable=join_pb2.Renewable(Signal=signal)).SerializeToString()
    with pytest.raises(ProtocolFormatError, match=f"expected one of SIGHUP, SIGUSR1, SIGUSR2, got '{signal}'"):
        decode_sealed(raw)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_refused(raw: bytes) -> None:
    for decode in (decode_challenge, decode_join, decode_renewal, decode_sealed):
        try:
            decode(raw)
        except ProtocolFormatError:
            continue


@pytest.mark.parametrize("length", [0, SEALING_KEY_BYTES - 1, SEALING_KEY_BYTES + 1])
def test_a_sealing_key_of_another_length_is_refused(length: int) -> None:
    raw = join_pb2.JoinReq(SealingKey=bytes(length)).SerializeToString()
    with pytest.raises(ProtocolFormatError, match=f"expected {SEALING_KEY_BYTES} bytes, got {length}"):
        decode_join(raw)
    raw = join_pb2.RenewReq(SealingKey=bytes(length)).SerializeToString()
    with pytest.raises(ProtocolFormatError, match=f"expected {SEALING_KEY_BYTES} bytes, got {length}"):
        decode_renewal(raw)


def test_what_is_too_long_is_refused() -> None:
    for decode, message in (
        (decode_challenge, join_pb2.ChallengeResp(Nonce=bytes(65))),
        (decode_challenge, join_pb2.ChallengeResp(Root=bytes(1024 * 1024 + 1))),
        (decode_join, join_pb2.JoinReq(Nonce=bytes(65), SealingKey=bytes(SEALING_KEY_BYTES))),
        (decode_renewal, join_pb2.RenewReq(Nonce=bytes(65), SealingKey=bytes(SEALING_KEY_BYTES))),
        (decode_renewal, join_pb2.RenewReq(Intermediate=bytes(65 * 1024), SealingKey=bytes(SEALING_KEY_BYTES))),
    ):
        with pytest.raises(ProtocolFormatError, match="expected at most"):
            decode(message.SerializeToString())
    with pytest.raises(ProtocolFormatError, match="expected at most"):
        encode_sealed(Sealed(bytes(MAX_MESSAGE_BYTES), None))


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(ProtocolFormatError, match="Unicode"):
        encode_join(JoinRequest(b"", b"", b"", b"", "\ud800", ""))


@given(requests, requests, st.binary(max_size=20), st.binary(max_size=20))
def test_evidence_binds_everything_that_was_sent(one: JoinRequest, other: JoinRequest, a: bytes, b: bytes) -> None:
    """Evidence and CSR apart: evidence cannot bind itself, and of the CSR only names are taken."""

    def said(request: JoinRequest, certificate: bytes, root: bytes) -> tuple[object, ...]:
        return (request.nonce, request.sealing_key, request.marble_type, request.uuid, certificate, root)

    first, second = one.bound(a, b), other.bound(b, a)
    assert REPORT_DATA_BYTES == len(first.report_data)
    assert (said(one, a, b) == said(other, b, a)) == (first.report_data == second.report_data)


@given(renewals, renewals, st.binary(max_size=20), st.binary(max_size=20))
def test_evidence_of_a_renewal_binds_everything_that_was_sent(
    one: RenewalRequest, other: RenewalRequest, a: bytes, b: bytes
) -> None:
    """Evidence and intermediate apart: the certificate that is bound says which intermediate can have signed it."""

    def said(request: RenewalRequest, certificate: bytes, root: bytes) -> tuple[object, ...]:
        return (request.nonce, request.sealing_key, certificate, root)

    first, second = one.bound(a, b), other.bound(b, a)
    assert (said(one, a, b) == said(other, b, a)) == (first.report_data == second.report_data)


@given(requests, st.binary(max_size=20), st.binary(max_size=20))
def test_evidence_of_a_join_is_none_of_a_renewal(join: JoinRequest, certificate: bytes, root: bytes) -> None:
    renewal = RenewalRequest(join.nonce, join.evidence, join.sealing_key, b"")
    assert join.bound(certificate, root).report_data != renewal.bound(certificate, root).report_data
