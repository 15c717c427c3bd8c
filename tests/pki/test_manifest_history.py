"""The mark of earlier manifests in a root certificate: it comes back as it went in, and nothing else is read."""

import hashlib

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from pki import oids
from pki.certificates import CertificateFormatError
from pki.manifest_history import GENESIS, MOST_PREDECESSORS, HistoryMark, history_extension, history_of, next_link
from tests.fakes.marble_pki import MarblePki

KEY = MarblePki.create().root_key
_digest = st.binary(min_size=32, max_size=32)
MARKS = st.builds(
    HistoryMark, st.integers(1, 2**32 - 1), _digest, st.lists(_digest, max_size=MOST_PREDECESSORS).map(tuple)
)


def root_with(extension: x509.ExtensionType | None) -> x509.Certificate:
    return MarblePki.create(KEY, [extension] if extension is not None else []).root


@pytest.mark.parametrize("count", [0, 1, 2, 3, MOST_PREDECESSORS])
def test_a_mark_comes_back(count: int) -> None:
    mark = HistoryMark(count + 1, b"l" * 32, tuple(bytes([number]) * 32 for number in range(count)))
    assert mark == history_of(root_with(history_extension(mark)))


def test_the_newest_predecessors_are_kept() -> None:
    digests = tuple(bytes([number]) * 32 for number in range(40))
    mark = history_of(root_with(history_extension(HistoryMark(41, b"l" * 32, digests))))
    assert mark is not None
    assert digests[:MOST_PREDECESSORS] == mark.predecessors


def test_a_root_without_a_mark_has_none() -> None:
    assert history_of(root_with(None)) is None


@given(MARKS, st.integers(0, 600), st.binary(max_size=3))
def test_no_other_bytes_are_a_mark(mark: HistoryMark, at: int, more: bytes) -> None:
    raw = history_extension(mark).value
    for changed in (raw[:at] + raw[at + 1 :], raw + more + b"\0", b"\x05" + raw[1:], b""):
        if changed == raw:
            continue
        certificate = _Certificate(changed)
        with pytest.raises(CertificateFormatError):
            history_of(certificate)  # type: ignore[arg-type]


class _Certificate:
    """Only extensions, since signing one for each example takes its time."""

    def __init__(self, raw: bytes) -> None:
        extension = x509.UnrecognizedExtension(oids.MANIFEST_HISTORY, raw)
        self.extensions = x509.Extensions([x509.Extension(oids.MANIFEST_HISTORY, False, extension)])


def test_a_link_is_what_the_format_says() -> None:
    inner = hashlib.sha256(b"entry").digest()
    expected = hashlib.sha256(b"enclasp manifest history v1\0" + bytes(32) + inner).digest()
    assert expected == next_link(GENESIS, b"entry")
