"""Every message code is in the one table, with a title and a hint."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import attestation
import coordinator
import marble
import pki
from coordinator.codes import FAMILIES, MESSAGES, merge
from tests.cli.conftest import Enclasp

CODE = re.compile(r"[EVANRUK][0-9]{3}")


def codes_in_the_sources() -> Iterator[tuple[str, str]]:
    for package in (attestation, coordinator, marble, pki):
        for file in Path(package.__path__[0]).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                    yield node.value, file.name


def test_every_code_in_the_sources_is_in_the_table() -> None:
    unknown = {(code, file) for code, file in codes_in_the_sources() if code not in MESSAGES}
    assert set() == unknown


def test_every_code_has_a_title_and_a_hint_and_a_family() -> None:
    for code, message in MESSAGES.items():
        assert CODE.fullmatch(code)
        assert code[:2] in FAMILIES, code
        assert message.title, code
        assert message.hint, code
        assert not message.title.endswith("."), code


def test_two_rooms_cannot_give_one_code_two_meanings() -> None:
    with pytest.raises(ValueError, match="two meanings"):
        merge(({"E001": ("one", "do")}, {"E001": ("other", "do")}))


def test_explain_prints_title_and_hint(enclasp: Enclasp) -> None:
    ended = enclasp("explain", "v130")
    assert ended.code == 0
    assert "the active manifest is not the expected one" in ended.text
    assert "enclasp manifest get" in ended.text


def test_explain_prints_all_codes_as_json(enclasp: Enclasp) -> None:
    ended = enclasp("explain", "--all", "-o", "json")
    assert [entry["code"] for entry in ended.document] == list(MESSAGES)


def test_explain_refuses_a_code_that_does_not_exist(enclasp: Enclasp) -> None:
    ended = enclasp("explain", "V999")
    assert (3, b"") == (ended.code, ended.out)
    assert "error[U508]: no message has the code 'V999'" in ended.err
