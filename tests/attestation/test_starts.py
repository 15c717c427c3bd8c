"""What kind of evidence it is, told by how it starts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.cmw import MEDIA_TYPES
from attestation.errors import EvidenceFormatError
from attestation.evidence import MAX_COMPOSITE_BYTES, MAX_EVIDENCE_BYTES, recognise
from attestation.kinds import Kind
from attestation.starts import is_nras_token, kind_by_start

STARTS = {
    Kind.NITRO: bytes.fromhex("8444a1013822"),
    Kind.CCA: bytes.fromhex("d9018f"),
    Kind.NVIDIA_GPU: b"NVSPDM\x00\x01",
    Kind.AZURE_VTPM: b'{"format": "enclasp-azure-vtpm/1"',
    Kind.COMPOSITE: b'{"__cmwc_t":"2.25.1"',
    Kind.SEV_SNP: b"\x02\x00\x00\x00" + bytes(0x4A0 - 4),
}


@pytest.mark.parametrize(("kind", "start"), STARTS.items())
def test_every_kind_is_told_by_its_start_and_not_without_it(kind: Kind, start: bytes) -> None:
    assert kind is kind_by_start(start) is recognise(start + bytes(100)).kind
    assert kind is not kind_by_start(start[1:] + b"\xff")


def test_a_token_of_nvidias_service_stands_for_a_gpu() -> None:
    for raw in (b'[["JWT","e30"],{}]', b'[\n [ "JWT", "e30"], {}]'):
        assert is_nras_token(raw)
        assert Kind.NVIDIA_GPU is recognise(raw).kind
    assert not is_nras_token(b'["JWT","e30"]')


@pytest.mark.parametrize(("kind", "start"), STARTS.items())
def test_evidence_may_be_so_long_and_no_longer(kind: Kind, start: bytes) -> None:
    longest = MAX_COMPOSITE_BYTES if kind is Kind.COMPOSITE else MAX_EVIDENCE_BYTES

    assert kind is recognise(start.ljust(longest, b" ")).kind
    with pytest.raises(EvidenceFormatError, match=f"expected at most {longest} bytes"):
        recognise(start.ljust(longest + 1, b" "))


def test_every_kind_has_a_media_type_of_its_own() -> None:
    assert set(Kind) == set(MEDIA_TYPES)
    assert len(MEDIA_TYPES) == len(set(MEDIA_TYPES.values()))


@given(
    raw=st.binary(max_size=300) | st.sampled_from(list(STARTS.values())).flatmap(lambda s: st.binary().map(s.__add__))
)
def test_what_starts_like_a_kind_is_recognised_as_that_kind(raw: bytes) -> None:
    kind = kind_by_start(raw)
    if kind is not None:
        assert (kind, raw) == ((evidence := recognise(raw)).kind, evidence.raw)
