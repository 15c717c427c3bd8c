"""The page that shows how the code is laid out: floors from `.importlinter`, and each room in its own words.

`python -m tests.support.architecture` writes `docs/architecture.md`; with `--check` it only compares, as `./dev lint`
does.  A room is a module or package right below one of the four houses; the first paragraph of its docstring is what
the page says.  One without a docstring stops this program.
"""

import re
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "architecture.md"
HOUSES: Final = {
    "coordinator": "the product: what the manifest says is enforced here",
    "marble": "inside a workload: attest, join, become the program",
    "attestation": "is hardware, and software, what it says?",
    "pki": "X.509 and keys",
}
"""From the top floor to the bottom."""

_HEAD: Final = """# How the code is laid out

<!-- Written by `python -m tests.support.architecture` from `.importlinter` and the rooms' docstrings. -->

Four packages, one above the other. A room is a module or a folder that answers one question. A room uses rooms below
it, and none above: the floors below are those of `.importlinter`, which `./dev lint` holds, with what else it promises
(rooms that do no I/O, a verifier that needs no vendor's library, a client that needs no server). Rooms of one floor do
not know each other.

## What happens to a request

A door reads bytes into a frozen value and asks the Coordinator (`service.py`). A clerk does what is slow, then takes
the writer's turn: a pure decision makes events and a reply of State, request, time and entropy; the desk appends the
events to the journal and becomes the State that follows; the reply leaves when the record is durable.

**A marble joins**: {activate}

**Its certificates are renewed**: {renew}

**A manifest is set**: {manifest}

**A visitor verifies**: {verify}

**Owners recover a state**: {recover}

## The rooms
"""
_STORIES: Final = {
    "activate": (
        "marble/launch.py", "marble/activate.py", "marble/join.py", "coordinator/rpc/server.py",
        "coordinator/clerks/activation.py", "attestation/verify.py", "coordinator/decisions/activate_marble.py",
        "coordinator/desk.py", "coordinator/journal/journal.py", "coordinator/state/replay.py", "marble/parameters.py",
    ),
    "renew": (
        "marble/beside.py", "marble/renewal.py", "marble/renew.py", "coordinator/rpc/server.py",
        "coordinator/clerks/renewals.py", "coordinator/clerks/proofs.py", "coordinator/decisions/renew_marble.py",
        "coordinator/decisions/grant.py", "marble/parameters.py",
    ),
    "manifest": (
        "coordinator/cli/manifest_live.py", "coordinator/client/verify.py", "coordinator/rest/routes.py",
        "coordinator/clerks/manifests.py", "coordinator/manifest/parse.py", "coordinator/credentials.py",
        "coordinator/decisions/set_manifest.py", "coordinator/journal/vault.py",
    ),
    "verify": (
        "coordinator/cli/verify.py", "coordinator/client/verify.py", "attestation/verify.py",
        "attestation/dcap/verify.py", "attestation/appraisal.py", "coordinator/client/history.py",
    ),
    "recover": (
        "coordinator/cli/recover.py", "coordinator/rest/handlers/recovery.py", "coordinator/clerks/recovery.py",
        "coordinator/recovery/gathering.py", "coordinator/recovery/scheme.py", "coordinator/journal/vault.py",
        "coordinator/older_state.py", "coordinator/decisions/recover.py",
    ),
}  # fmt: skip
"""Files in the order in which a request passes them."""


def page() -> str:
    """The whole page.  Raises ValueError for a room that says nothing of itself."""
    stories = {name: " → ".join(_link(path) for path in files) for name, files in _STORIES.items()}
    return "\n".join([_HEAD.format(**stories), *(line for house in HOUSES for line in _house(house))])


def missing_files() -> list[str]:
    """Files that a story passes and that are not there."""
    return [path for files in _STORIES.values() for path in files if not (ROOT / path).is_file()]


def _house(house: str) -> Iterator[str]:
    yield f"### {house}: {HOUSES[house]}\n"
    yield "| room | what it answers |"
    yield "|---|---|"
    for floor in _floors(house):
        for room in floor:
            path = ROOT / house / room
            place = f"{house}/{room}/" if path.is_dir() else f"{house}/{room}.py"
            yield f"| {_link(place)} | {_sentence(path)} |"
    yield ""


def _floors(house: str) -> list[list[str]]:
    """The rooms of each floor, the uppermost first; of a house without floors all in one."""
    linter = ConfigParser()
    linter.read(ROOT / ".importlinter")
    for section in linter.sections():
        contract = linter[section]
        if contract.get("type") == "layers" and contract.get("containers", "").split() == [house]:
            floors = [re.split(r"[|:\s]+", line.strip()) for line in contract["layers"].strip().splitlines()]
            return [[room for room in floor if not room.endswith("_pb2")] for floor in floors]
    rooms = (path for path in (ROOT / house).iterdir() if path.suffix == ".py" and not path.name.startswith("_"))
    return [sorted(path.stem for path in rooms)]


def _sentence(room: Path) -> str:
    """The first paragraph of what a room says of itself, on one line."""
    file = room / "__init__.py" if room.is_dir() else room.with_suffix(".py")
    code = compile(file.read_text(encoding="utf-8"), str(file), "exec", dont_inherit=True)
    said = str(code.co_consts[0]) if "__doc__" in code.co_names else ""
    if not said:
        raise ValueError(f"{file.relative_to(ROOT)}: expected a docstring that says what the room answers, got none")
    return " ".join(said.partition("\n\n")[0].split()).replace("|", "\\|")


def _link(place: str) -> str:
    return f"[`{place}`](../{place})"


def main(arguments: list[str]) -> int:
    """Write the page; or say that it is old, and return 1."""
    if arguments != ["--check"]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE.relative_to(ROOT)} is old: run python -m tests.support.architecture", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
