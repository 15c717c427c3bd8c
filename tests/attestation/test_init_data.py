"""Init-data: any texts come back, other people's documents are read, and the digest is the one that evidence holds."""

import base64
import gzip
import hashlib
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.init_data import (
    FIELDS,
    LARGEST_ANNOTATION,
    LARGEST_DOCUMENT,
    InitDataInvalid,
    from_annotation,
    make_init_data,
    parse_init_data,
    to_annotation,
)
from attestation.kinds import Kind

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["", "'", "''' x", "a\n'", "\n", "\r\n", "a\r", "\t", "\x7f", "\\", '"', "a\nb\n", "\\u0041", "'''", "x''"]
)


def packed(document: bytes) -> str:
    return base64.b64encode(gzip.compress(document, mtime=0)).decode()


@given(st.dictionaries(_TEXTS, _TEXTS, max_size=4), st.sampled_from(["sha256", "sha384", "sha512"]))
def test_any_texts_come_back_from_document_and_annotation(data: dict[str, str], algorithm: str) -> None:
    made = make_init_data(data, algorithm)
    assert (data, algorithm) == (made.data, made.algorithm)
    assert made == make_init_data(dict(reversed(data.items())), algorithm), "the order does not matter"
    assert made == parse_init_data(made.document) == from_annotation(to_annotation(made))


@given(st.binary(max_size=200) | st.text(max_size=80).map(str.encode) | st.just(b"a=" + b"[" * 5000))
def test_no_bytes_make_the_parser_fail_in_any_other_way(raw: bytes) -> None:
    for read in (
        parse_init_data,
        lambda raw: from_annotation(raw.decode("latin-1")),
        lambda raw: from_annotation(packed(raw)),
    ):
        try:
            read(raw)
        except InitDataInvalid:
            continue


def test_the_document_is_written_as_kata_writes_it() -> None:
    # What kata-types' own test of InitData::to_string looks for (src/libs/kata-types/src/initdata.rs, Apache-2.0).
    text = make_init_data({"hypervisor_key": "config_value"}, "sha512").document.decode()
    assert "version = '0.1.0'\nalgorithm = 'sha512'\n\n[data]\nhypervisor_key = 'config_value'\n" == text
    several = make_init_data({"aa.toml": "[kbs]\nurl = 'x'\n"}).document.decode()
    assert several.endswith("[data]\n\"aa.toml\" = '''\n[kbs]\nurl = 'x'\n'''\n")


def test_another_writers_document_is_measured_as_it_stands() -> None:
    # The example of the specification (trustee, kbs/docs/initdata.md), shortened.
    document = (
        b'algorithm = "sha384"\nversion = "0.1.0"\n\n[data]\n"attestation-agent.json" = \'\'\'\n'
        b"{\n\"kbs_addr\": \"http://172.18.0.1:8080\"\n}\n'''\n\n\"policy.rego\" = '''\npackage agent_policy\n'''\n"
    )
    read = from_annotation(packed(document))
    assert (document, "sha384") == (read.document, read.algorithm)
    assert tomllib.loads(document.decode())["data"] == read.data


def test_the_digest_is_cut_or_filled_to_the_field() -> None:
    # kata-types, adjust_digest: 48 bytes for TDX, 32 for SEV-SNP, 64 for CCA; zeros behind a shorter digest.
    for algorithm in ("sha256", "sha384", "sha512"):
        made = make_init_data({"key": "value"}, algorithm)
        whole = hashlib.new(algorithm, made.document).digest()
        for kind, length in ((Kind.TDX, 48), (Kind.SEV_SNP, 32), (Kind.CCA, 64)):
            assert (whole + bytes(64))[:length] == made.digest(FIELDS[kind].length)


def test_an_operators_own_tools_read_it_and_find_the_same_digest(tmp_path: Path) -> None:
    made = make_init_data({"policy.rego": "package agent_policy\n"})
    (tmp_path / "annotation").write_text(to_annotation(made))
    script = "base64 -d annotation | gunzip | tee initdata.toml | sha256sum"
    said = subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert made.digest(32).hex() == said.split()[0]
    assert made.document == (tmp_path / "initdata.toml").read_bytes()


def test_no_document_takes_long_to_refuse_or_read() -> None:
    """Python's reader of TOML needs time that grows with the square of a dotted key: 20 s for 20,000 parts."""
    began = time.process_time()
    for text in (".".join(["a"] * 20_000) + " = 1", "a" * 500_000, "a." * 31 + "\n" + '"' * 500_000):
        with pytest.raises(InitDataInvalid):
            parse_init_data(_HEAD + text.encode())
    parse_init_data(_HEAD + b"[data]\nx = '''\n" + b"input.a.b.c == 1.2.3.4\n" * 20_000 + b"'''\n")
    assert time.process_time() - began < 10


_HEAD = b'version = "0.1.0"\nalgorithm = "sha256"\n'


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"\xff", "expected TOML"),
        (b"version = ", "expected TOML"),
        (_HEAD.replace(b"0.1.0", b"0.2.0") + b"[data]\n", "version: expected '0.1.0', got '0.2.0'"),
        (b'algorithm = "sha256"\n[data]\n', "version: expected '0.1.0', got nothing"),
        (_HEAD.replace(b"sha256", b"md5") + b"[data]\n", "algorithm: expected sha256 or sha384 or sha512, got 'md5'"),
        (_HEAD, "data: expected a table of texts"),
        (_HEAD + b".".join([b"a"] * 33) + b" = 1\n[data]\n", "names of at most 32 parts"),
        (_HEAD + b"[" + b" . ".join([b'"b c"'] * 33) + b"]\n", "names of at most 32 parts"),
        (_HEAD + b"[" + b".".join([b"'d'"] * 33) + b"]\n[data]\n", "names of at most 32 parts"),
        (_HEAD + b"[data]\nx = 1\n", "data: expected a table of texts"),
        (_HEAD + b"[data]\nx = '" + b"a" * LARGEST_DOCUMENT + b"'\n", "expected at most"),
    ],
)
def test_what_kata_would_refuse_is_refused_with_the_reason(document: bytes, words: str) -> None:
    parse_init_data(_HEAD + b"[data]\nx = '1'\n")
    with pytest.raises(InitDataInvalid, match=words.replace("(", "\\(")):
        parse_init_data(document)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("%", "base64 of gzip"),
        ("AAAA", "base64 of gzip"),
        (packed(_HEAD + b"[data]\n")[:-8], "one whole gzip member"),
        (packed(_HEAD) + packed(_HEAD), "base64 of gzip|one whole gzip member"),
        (packed(_HEAD + bytes(64 << 20)), "expected at most"),
        ("A" * (LARGEST_ANNOTATION + 1), "characters packed"),
    ],
    ids=["no-base64", "no-gzip", "cut", "two", "bomb", "long"],
)
def test_an_annotation_that_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(InitDataInvalid, match=words):
        from_annotation(text)


def test_texts_that_no_pod_can_carry_are_refused_before_a_pod_is_made() -> None:
    noise = "".join(hashlib.sha512(bytes([n % 251, n // 251])).hexdigest() for n in range(4000))
    with pytest.raises(InitDataInvalid, match="characters packed"):
        to_annotation(make_init_data({"policy.rego": noise}))
    with pytest.raises(InitDataInvalid, match="surrogate"):
        make_init_data({"x": "\ud800"})
