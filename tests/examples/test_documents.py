"""What the documents tell a person to type exists: commands, flags, paths, exit codes."""

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from coordinator.cli import exit_codes
from coordinator.cli.check import check_document
from coordinator.cli.main import enclasp
from pki import oids

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"))
    if ".venv" not in path.parts
]


def typed_commands(text: str) -> Iterator[str]:
    """Every `enclasp …` in a shell block, continuation lines joined, comments and what follows a pipe left out."""
    for block in re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if found := re.search(r"(?:^|\|)\s*(?:\$ )?(?:[A-Z_]+=\S*\s+)*(enclasp .*)", line):
                yield re.split(r"\s#\s|\s\|\s", found[1])[0].strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_the_documents_exists_with_its_flags(page: Path) -> None:
    for line in typed_commands(page.read_text(encoding="utf-8")):
        words = shlex.split(line)[1:]
        command: click.Command = enclasp
        while isinstance(command, click.Group) and words:
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, f"{page.name}: no such command: {line}"
            command = found
        known = {flag for parameter in command.params for flag in parameter.opts}
        flags = [
            word
            for word in words[: words.index("--") if "--" in words else None]
            if word.startswith("-") and word != "-"
        ]
        assert set(flags) <= known, f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readmes_first_manifest_is_accepted() -> None:
    (first,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    findings = check_document(first.encode(), name="README", compatible=False, now=datetime(2026, 11, 25, tzinfo=UTC))
    assert () == findings


def test_the_object_identifiers_in_the_documents_are_ours() -> None:
    ours = {oids.MANIFEST_DIGEST.dotted_string, oids.MANIFEST_HISTORY.dotted_string}
    for page in PAGES:
        for found in re.findall(r"(?<![\d.])2\.25\.\d+\.\d+", page.read_text(encoding="utf-8")):
            assert found in ours, page.name


def test_every_decision_stands_in_the_index() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert f"({page.name})" in index, f"{page.name}: add it to docs/decisions/README.md"


def test_the_table_of_exit_codes_is_complete() -> None:
    table = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert {value for name, value in vars(exit_codes).items() if name.isupper()} == documented


def test_every_module_in_the_documents_can_be_run() -> None:
    for page in PAGES:
        for module in re.findall(r"python -m ([\w.]+)", page.read_text(encoding="utf-8")):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), f"{page.name}: {module}"
