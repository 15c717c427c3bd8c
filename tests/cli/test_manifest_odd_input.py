"""Every `manifest` verb with files that are none: an exit code of the table, a sentence that helps, and never a bug."""

import io
import os
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Enclasp

ROOT = Path(__file__).parents[2]
GOOD = (ROOT / "manifests" / "templates" / "tdx.yaml").read_text()
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the document is empty"),
    "blank": (b"\n\n  \n", "the document is empty"),
    "only a comment": (b"# nothing\n", "the document is empty"),
    "null": (b"null\n", "the document is empty"),
    "a number": (b"42\n", "expected a map of fields, got a whole number 42"),
    "a list": (b"- a\n", "expected a map of fields, got a list"),
    "a JSON list": (b"[1, 2]", "expected a map of fields, got a list"),
    "a web page": (b"<html><body>404</body></html>\n", "expected a map of fields, got text"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "this is no text"),
    "UTF-16": (GOOD.encode("utf-16"), "the document is UTF-16"),
    "Latin-1": (GOOD.replace("One", "Ön").encode("latin-1"), "the document is not UTF-8 here"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), "byte order mark"),
    "a NUL": (GOOD.replace("api", "a\0pi").encode(), "a character that YAML does not allow"),
    "tabs": (GOOD.replace("  ", "\t").encode(), "a tab stands where YAML takes only spaces"),
    "a key twice": ((GOOD + GOOD).encode(), 'duplicate key "Packages"'),
    "an unknown field": (GOOD.replace("MRTD:", "MRTDD:").encode(), 'did you mean "MRTD"?'),
    "wrong types": (GOOD.replace("Size: 256", "Size: big").encode(), "expected a whole number, got text"),
    "two documents": ((GOOD + "---\n" + GOOD).encode(), "a second document starts here"),
    "an anchor": (GOOD.replace("Packages:", "Packages: &p").encode(), "anchors and aliases are not allowed"),
    "a bomb": (LAUGHS.encode(), "anchors and aliases are not allowed"),
    "a deep document": (b"a: " + b"[" * 100_000, "E00"),
    "a deep JSON document": (b'{"a":' * 100_000, "more than 64 levels"),
    "an unfinished JSON document": (b'{"Packages": {}', "the document ends too early"),
    "a Kubernetes object": (b"apiVersion: v1\nkind: Pod\n", "manifest init --from-kubernetes"),
}
VERBS = {
    "check": ("check", "FILE"),
    "explain": ("explain", "FILE"),
    "explain a field": ("explain", "FILE", "Marbles.api.Package"),
    "graph": ("graph", "FILE"),
    "build": ("build", "FILE"),
    "test": ("test", "FILE"),
    "diff before": ("diff", "FILE", "GOOD"),
    "diff after": ("diff", "GOOD", "FILE"),
}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    return file


def arguments(verb: str, file: Path, good: Path) -> list[str]:
    return [{"FILE": str(file), "GOOD": str(good)}.get(word, word) for word in VERBS[verb]]


@pytest.mark.parametrize("kind", BAD)
def test_a_document_that_is_none_is_refused_by_every_verb_with_the_same_sentence(
    enclasp: Enclasp, tmp_path: Path, good: Path, kind: str
) -> None:
    raw, sentence = BAD[kind]
    file = tmp_path / "bad.yaml"
    file.write_bytes(raw)
    for verb in VERBS:
        ended = enclasp("manifest", *arguments(verb, file, good))
        said = ended.text + ended.err
        assert (3, True) == (ended.code, "error[E0" in said), (verb, said)
        if verb != "build":  # it knows sections only, and checks what it has built
            assert sentence in said, (verb, said)
            assert "bad.yaml:" in said


MISTAKES = {
    "no blank after a colon": (": tdx", ":tdx", "has no key: write a colon and a blank"),
    "no colon": ("Package: ", "Package ", "has no key: write a colon and a blank"),
    "another column": ("    Package:", "   Package:", "does this line begin in the same column as its neighbours"),
    "a quote that ends too late": ("Package: ", 'Package: "', "a quote opens in line "),
    "a quote that never ends": ("Packages:", "Packages: '", "close the quote"),
    "a comment of JavaScript": ("# ", "// ", "remove it; comments of YAML begin with #"),
    "a word in place of a number": ("Size: 256", "Size: big", "write a number, as 3"),
    "a number in quotes": ("Size: 256", 'Size: "256"', "write it without quotes"),
    "yes": ("Shared: true", "Shared: yes", "write true or false"),
    "true in quotes": ("Shared: true", 'Shared: "true"', "write it without quotes"),
    "a letter among digits": ("11111111", "1111O111", 'and character 5 is "O"'),
    "a brace too few": ("{{ hex .Secrets.key }}", "{{ hex .Secrets.key }", "shows what may stand between {{ and }}"),
}
PLAIN = f"""# A manifest
Packages:
  tdx: {{TDX: {{MRTD: "{"1" * 96}", RTMR1: "{"2" * 96}", RTMR2: "{"3" * 96}"}}}}
Marbles:
  web:
    Package: tdx
    MaxActivations: 2
    Parameters:
      Env:
        KEY: "{{{{ hex .Secrets.key }}}}"
  api:
    Package: tdx
    MaxActivations: 2
    Parameters:
      Env:
        KEY: "{{{{ hex .Secrets.key }}}}"
Secrets:
  key:
    Type: symmetric-key
    Size: 256
    Shared: true
"""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_hint_says_what_to_write(enclasp: Enclasp, tmp_path: Path, mistake: str) -> None:
    right, wrong, hint = MISTAKES[mistake]
    file = tmp_path / "m.yaml"
    file.write_text(PLAIN)
    assert 0 == enclasp("manifest", "check", file).code
    assert right in PLAIN
    file.write_text(PLAIN.replace(right, wrong, 1))
    ended = enclasp("manifest", "check", file)
    assert (3, True) == (ended.code, hint in ended.text), ended.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PLAIN, "write what stands below one name of its Packages"),
        ("", "write one as TDX: {MRTD: ...}"),
        ("hello\n", "the document: expected a map of fields, got text"),
        ("{}", "the document has no UniqueID"),
    ],
    ids=["a manifest", "empty", "a word", "nothing named"],
)
def test_a_file_of_reference_values_is_not_called_a_manifest(
    enclasp: Enclasp, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "reference.yaml").write_text(text)
    ended = enclasp("status", "localhost:1", "--reference", tmp_path / "reference.yaml")
    assert (3, True) == (ended.code, said in ended.err), ended.err
    assert "the manifest" not in ended.err


@pytest.mark.parametrize("verb", VERBS)
def test_what_cannot_be_opened_is_input_and_no_usage(enclasp: Enclasp, tmp_path: Path, good: Path, verb: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("folder", "dangling", "loop", "absent"):
        ended = enclasp("manifest", *arguments(verb, tmp_path / name, good))
        assert (3, True) == (ended.code, f"error[U501]: {tmp_path / name}: " in ended.err), (name, ended.err)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_said(enclasp: Enclasp, good: Path) -> None:
    good.chmod(0)
    assert (3, True) == ((ended := enclasp("manifest", "check", good)).code, "Permission denied" in ended.err)
    ended = enclasp("status", "localhost:1", "--reference", good)
    assert (3, True) == (ended.code, "error[U501]" in ended.err), ended.err


@pytest.mark.parametrize(
    "raw",
    [
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        GOOD.rstrip("\n").encode(),
        GOOD.replace("api", "ápi").encode(),
    ],
    ids=["CRLF", "CR", "no final newline", "letters"],
)
def test_line_ends_and_letters_of_any_kind_are_a_manifest(enclasp: Enclasp, tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "odd.yaml"
    file.write_bytes(raw)
    for verb in VERBS:
        assert enclasp("manifest", *arguments(verb, file, file)).code == 0


@pytest.mark.parametrize("verb", [verb for verb in VERBS if not verb.startswith("diff")])
def test_a_dash_is_stdin(enclasp: Enclasp, monkeypatch: pytest.MonkeyPatch, good: Path, verb: str) -> None:
    for text, code in ((GOOD, 0), ("", 3)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert enclasp("manifest", *arguments(verb, Path("-"), good)).code == code


def test_what_is_too_large_is_not_read(enclasp: Enclasp, tmp_path: Path) -> None:
    file = tmp_path / "huge.yaml"
    with file.open("wb") as writer:
        writer.truncate(100_000_000)
    ended = enclasp("manifest", "check", file)
    assert (3, True) == (ended.code, "expected at most 16777216 bytes" in ended.err)
    file.write_bytes(b"#" * (9 << 20))
    ended = enclasp("manifest", "check", file)
    assert (3, True) == (ended.code, "more than 8388608" in ended.text)


def test_a_command_that_names_no_file_is_not_measured(enclasp: Enclasp, tmp_path: Path) -> None:
    for command in (("nosuchprogram",), ("python3", str(tmp_path / "absent.py"))):
        ended = enclasp("manifest", "measure", "--", *command)
        assert (3, b"", True) == (ended.code, ended.out, "there is nothing to measure" in ended.err)


def test_who_signs_what_no_coordinator_takes_is_told(enclasp: Enclasp, tmp_path: Path, good: Path) -> None:
    from pki import keys

    key = tmp_path / "key.pem"
    key.write_bytes(keys.private_pem(keys.generate(keys.KeyAlgorithm.EC_P256)))
    (tmp_path / "bad.yaml").write_text("Packages: {}\n")
    (tmp_path / "open.yaml").write_text(GOOD.replace("Size: 256", 'Size: "DECIDE: how long"'))
    (tmp_path / "raise.yaml").write_text("Packages:\n  api:\n    SecurityVersion: 3\n")
    for name, warned in (("good.yaml", False), ("raise.yaml", False), ("bad.yaml", True), ("open.yaml", True)):
        ended = enclasp("manifest", "sign", tmp_path / name, "--key", key)
        assert (0, warned) == (ended.code, "does not pass `enclasp manifest check`" in ended.err), name


@pytest.mark.parametrize("name", ["", "a b", "1a", "a-b", "x" * 200])
def test_a_secret_has_a_name_that_templates_can_write(enclasp: Enclasp, tmp_path: Path, name: str) -> None:
    ended = enclasp("manifest", "init", tmp_path / "m.yaml", "--service", "web", "--secret", name)
    assert (2, False) == (ended.code, (tmp_path / "m.yaml").exists())
