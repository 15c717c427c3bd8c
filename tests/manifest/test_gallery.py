"""The gallery of messages is whole and current."""

import pytest

from coordinator.manifest.codes import CODES
from tests.support.manifest_gallery import DOCUMENTS, NOT_SHOWN, PAGE, findings, page


def test_every_code_has_a_document() -> None:
    assert set(CODES) == set(DOCUMENTS) | set(NOT_SHOWN)


@pytest.mark.parametrize("code", DOCUMENTS)
def test_each_document_deserves_its_message(code: str) -> None:
    said = findings(code)
    assert said
    assert said[0].message
    assert said[0].line >= 1
    assert not said[0].message.endswith(".")


def test_the_page_is_current() -> None:
    wanted = page()
    assert PAGE.read_text(encoding="utf-8") == wanted, "run: python -m tests.support.manifest_gallery"
