"""`enclasp kubernetes init-data`: what the webhook tells a marble's virtual machine at launch, and its digest."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import read_input, reports
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from attestation.init_data import InitData

FOLDER = click.Path(file_okay=False, exists=True, path_type=Path)
_LARGEST_TEXT: Final = 4 * 1024 * 1024
_PACKED: Final = b"H4sI"
"""How gzip's header starts in base64."""


@click.command("init-data")
@click.option(
    "--coordinator",
    default="coordinator-mesh-api.enclasp:2001",
    show_default=True,
    metavar="HOST:PORT",
    help="The marble door, as pods reach it: what the webhook was told.",
)
@click.option("--texts", type=FOLDER, help="A folder with the files of the chart's initData.configMap.")
@click.option("--document", type=click.Path(dir_okay=False, path_type=Path), help="Write the document here, too.")
@reports
@click.argument("marble")
def init_data(output: Output, marble: str, coordinator: str, texts: Path | None, document: Path | None) -> None:
    """Print what a manifest must demand of a MARBLE that starts with the webhook's init-data.

    Pods under a runtime class of Kata get a document that tells the launcher which marble it is, where its coordinator
    is and, with a file enclasp-reference.yaml among --texts, which coordinator to accept. The hardware holds its
    digest: paste the printed value into the marble's package, and a cluster that tells it something else is refused.

    \b
    enclasp kubernetes init-data backend
    enclasp kubernetes init-data backend --texts init-data -o json
    """
    from attestation.init_data import InitDataInvalid, to_annotation
    from coordinator.admission.init_data import init_data_of

    try:
        made = init_data_of(coordinator, marble, {} if texts is None else read_texts(texts))
        annotation = to_annotation(made)
    except InitDataInvalid as cause:
        raise Problem(str(cause), exit_codes.INVALID, "K692") from cause
    if document is not None:
        document.write_bytes(made.document)
    reference = references(made)
    result: dict[str, Any] = {
        "reference": reference,
        "annotation": annotation,
        "document": made.document.decode(),
        "algorithm": made.algorithm,
    }
    output.result(result, "\n".join(reference_lines(reference, f"the init-data of the marble '{marble}'")))


def read_texts(folder: Path) -> dict[str, str]:
    """Each file of a folder by its name, hidden ones left out (a mounted ConfigMap has such).  Raises Problem."""
    texts = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            try:
                texts[path.name] = read_input(path, limit=_LARGEST_TEXT).decode("utf-8")
            except UnicodeDecodeError as cause:
                raise Problem(f"{path}: expected text in UTF-8", exit_codes.INVALID, "K692") from cause
    return texts


def read_init_data(path: Path) -> "InitData":
    """A document of anybody's, or a pod's annotation with one.  Raises Problem."""
    from attestation.init_data import InitDataInvalid, from_annotation, parse_init_data

    raw = read_input(path, limit=_LARGEST_TEXT)
    try:
        return from_annotation(raw.decode().strip()) if raw.startswith(_PACKED) else parse_init_data(raw)
    except (InitDataInvalid, UnicodeDecodeError) as cause:
        raise Problem(f"{path}: {cause}", exit_codes.INVALID, "K693") from cause


def told_at_launch(environ: Mapping[str, str]) -> "InitData | None":
    """The document that ENCLASP_INIT_DATA names; nothing says yet that the machine was told it.  Raises Problem."""
    from marble.settings import INIT_DATA

    return read_init_data(Path(environ[INIT_DATA])) if environ.get(INIT_DATA) else None


def references(init_data: "InitData") -> dict[str, dict[str, str]]:
    """The field of each platform's reference values that pins the document."""
    from attestation.init_data import FIELDS

    return {field.section: {field.key: init_data.digest(field.length).hex()} for field in FIELDS.values()}


def reference_lines(reference: dict[str, dict[str, str]], whose: str) -> list[str]:
    """YAML to paste from."""
    from coordinator.measured import yaml_lines

    return [f"# {whose}: beside what your guest image is measured as", *yaml_lines(reference)]
