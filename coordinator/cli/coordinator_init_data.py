"""`enclasp coordinator init-data`: a configuration that the hardware measures, and its digest."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.kubernetes_init_data import FOLDER, read_texts, reference_lines, references
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from attestation.init_data import InitData

_WRITTEN = click.Path(dir_okay=False, path_type=Path)
_POLICY: Final = "policy.rego"
_PRIVATE: Final = "PRIVATE KEY-----"


@click.command("init-data")
@click.argument("config_file", metavar="CONFIG", type=FILE)
@click.option("--texts", type=FOLDER, help="A folder of files that the document holds too, above all policy.rego.")
@click.option("--document", type=_WRITTEN, help="Write the document here, too.")
@click.option(
    "--annotation", type=_WRITTEN, help="Write the pod's annotation here, too: the chart's coordinator.initData."
)
@reports
def init_data(
    output: Output, config_file: Path, texts: Path | None, document: Path | None, annotation: Path | None
) -> None:
    """Print what verifiers must demand of a coordinator that starts with CONFIG as its measured configuration.

    CONFIG is a file as `coordinator run --config` takes it. With the files that it names as setters, trust and
    startup_manifest it becomes one document, which a confidential virtual machine is told at launch: the hardware
    holds its digest, so a coordinator that its host gives other settings is refused. Nothing in it is secret.

    \b
    enclasp coordinator init-data coordinator.toml --texts init-data --annotation annotation.txt
    enclasp coordinator init-data coordinator.toml --document initdata.toml -o json
    """
    from attestation.init_data import InitDataInvalid, to_annotation
    from coordinator.client.configuration import read_configuration
    from coordinator.config import ConfigInvalid

    try:
        made = _pack(config_file, texts)
        packed, configuration = to_annotation(made), read_configuration(made, b"")
    except ConfigInvalid as cause:
        raise Problem(str(cause), exit_codes.INVALID, "U507") from cause
    except InitDataInvalid as cause:
        raise Problem(str(cause), exit_codes.INVALID, "K692") from cause
    if document is not None:
        document.write_bytes(made.document)
    if annotation is not None:
        annotation.write_text(packed)
    if _POLICY not in made.data:
        output.remark(
            f"no {_POLICY} among --texts: Kata's agent then runs what the host says, also in place of a coordinator"
        )
    reference = references(made)
    result = {
        "reference": reference,
        "annotation": packed,
        "document": made.document.decode(),
        "algorithm": made.algorithm,
        "configuration": configuration.words,
    }
    lines = reference_lines(reference, f"the configuration {config_file}")
    output.result(result, "\n".join((f"# {configuration.words}", *lines)))


def _pack(config_file: Path, texts: Path | None) -> "InitData":
    """The document, as a coordinator accepts it.  Raises ConfigInvalid, InitDataInvalid, Problem, OSError."""
    from attestation.init_data import make_init_data
    from coordinator.config import ENTRY, files_of, load

    config = _text(config_file)
    packed = {ENTRY: config, **{name: _text(Path(name)) for name in files_of(config)}}
    given = {} if texts is None else read_texts(texts)
    if taken := sorted(given.keys() & packed.keys()):
        message = f"{texts}: expected no file {taken[0]}, which comes from the configuration"
        raise Problem(message, exit_codes.INVALID, "K692")
    made = make_init_data({**given, **packed})
    load(None, {}, made)
    return made


def _text(path: Path) -> str:
    """Raises Problem for what is no text, or holds a private key, which everybody could read then."""
    try:
        text = read_input(path).decode("utf-8")
    except UnicodeDecodeError as cause:
        raise Problem(f"{path}: expected text in UTF-8", exit_codes.INVALID, "K692") from cause
    if _PRIVATE in text:
        message = f"{path}: expected certificates and public keys, got a private key; init-data is not secret"
        raise Problem(message, exit_codes.INVALID, "K692")
    return text
