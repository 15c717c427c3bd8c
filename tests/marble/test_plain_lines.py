"""The few plain lines of YAML that a marble reads: never in another way than YAML."""

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from marble.plain_lines import parse_plain_lines


def test_what_a_coordinator_writes_is_read() -> None:
    text = "# made\nTDX:\n  MRTD: 5cd0\n  AcceptedTCBStatuses: [A, B]  # two\n\nSGX:\r\n  ISVSVN: 3\r\n"
    assert {"TDX": {"MRTD": "5cd0", "AcceptedTCBStatuses": ["A", "B"]}, "SGX": {"ISVSVN": 3}} == parse_plain_lines(text)


def test_the_flat_form_is_read() -> None:
    text = "UniqueID: 'ab'\nDebug: false\nProductID: 0\nAcceptedAdvisories: []\n"
    assert {"UniqueID": "ab", "Debug": False, "ProductID": 0, "AcceptedAdvisories": []} == parse_plain_lines(text)


def test_a_measurement_of_digits_only_stays_text() -> None:
    assert {"MRTD": "0" * 96, "MROwner": "1" * 96} == parse_plain_lines(f"MRTD: {'0' * 96}\nMROwner: {'1' * 96}")


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2",
        "a:\n  b: 1\n  b: 2",
        "a:\n  b: 1\n   c: 2",
        "a:\n  b: 1\n c: 2",
        "a: 1\n  b: 2",
        "  b: 2",
        "a:\n  b:\n    c: 1",
        "a:\n\tb: 1",
        "a: &x 1",
        "a: *x",
        "a: !!str 1",
        "a: {b: 1}",
        "a: [b: 1]",
        "a: |\n  text",
        "a: two words",
        'a: "\\x41"',
        "a: b: c",
        "a:1",
        "- a",
        "---\na: 1",
        "? a",
        "a: x#y",
        "a: ~",
        "a\u0085b: 1",
        "a: 1\u2028b: 2",
    ],
)
def test_anything_else_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"line [123]: "):
        parse_plain_lines(text)


def as_texts(value: object) -> object:
    """PyYAML's reading without types, for comparison: a section without fields is an empty text there."""
    if isinstance(value, dict):
        return {key: as_texts(item) for key, item in value.items()} or ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, list) else str(value)


pieces = st.sampled_from(["TDX:", "MRTD:", "0x1", "12", "true", "no", "  ", *"a~'\"[],#-:. \n\r"])


@given(st.lists(pieces, max_size=14).map("".join) | st.text(alphabet="aB1: \n#[],'\"-.", max_size=30))
@run(max_examples=400)
def test_whatever_is_read_yaml_reads_in_the_same_way(text: str) -> None:
    try:
        found = parse_plain_lines(text)
    except ValueError:
        return
    assert as_texts(found) == (yaml.load(text, yaml.BaseLoader) or "")


lines = st.sampled_from(
    ["TDX:", "SGX:", "  MRTD: ab", "  MROwner: 'cd' # x", "Debug: true", "List: [a,b ]", "# note", "", "  N: 7 \r"]
)


@given(st.lists(lines, max_size=8).map("\n".join))
@run(max_examples=200)
def test_legal_lines_in_any_order_are_read_as_yaml_reads_them_or_refused(text: str) -> None:
    try:
        found = parse_plain_lines(text)
    except ValueError:
        return
    assert as_texts(found) == (yaml.load(text, yaml.BaseLoader) or "")
