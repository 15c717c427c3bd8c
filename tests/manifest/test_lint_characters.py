"""What a reviewer cannot see in a manifest is said."""

import pytest

from coordinator.manifest.errors import Finding
from coordinator.manifest.lint import lint
from coordinator.manifest.parse import parse

DOCUMENT = f"""Packages:
  p:
    TDX:
      MRTD: "{"11" * 48}"
Marbles:
  "NAME":
    Package: p
    Parameters:
      Env:
        TEXT: "VALUE"
"""


def said(name: str = "web", value: str = "text") -> list[Finding]:
    text = DOCUMENT.replace("NAME", name).replace("VALUE", value)
    return [f for f in lint(parse(text.encode(), name="x", compatible=False)) if f.code == "E063"]


@pytest.mark.parametrize("character", ["\\u202e", "\\u200b", "\\e", "\\u00ad", "\\ufeff", "\\u2028"])
def test_a_name_with_a_character_that_nobody_sees_is_said(character: str) -> None:
    (finding,) = said(name=f"we{character}b")
    assert (6, 3, "warning") == (finding.line, finding.column, finding.severity.value)
    assert "a name has the character" in finding.message


def test_a_value_that_reads_in_another_order_is_said() -> None:
    (finding,) = said(value="a\\u2066b")
    assert (10, "a value has the character LEFT-TO-RIGHT ISOLATE, which nobody sees") == (finding.line, finding.message)


@pytest.mark.parametrize("text", ["web", "wéb", "網", "we b", "a-b_c.d"])
def test_letters_of_any_script_are_no_finding(text: str) -> None:
    assert [] == said(name=text, value=text)


def test_a_value_may_have_tabs_lines_and_escapes() -> None:
    assert [] == said(value="a\\tb\\n\\ec\\u200d")
