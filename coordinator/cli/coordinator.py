"""`enclasp coordinator run`: the server."""

import gc
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, guarded, read_input
from coordinator.cli.coordinator_init_data import init_data
from coordinator.cli.group import Group
from coordinator.cli.kubernetes_init_data import told_at_launch
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from coordinator.config import Config


@click.group(cls=Group)
def coordinator() -> None:
    """Run a coordinator."""


coordinator.add_command(init_data)


@coordinator.command()
@click.option("--config", "config_file", type=FILE, help="Settings in TOML; environment variables go over it.")
@click.option("--dev", is_flag=True, help="For development: SIMULATED hardware, loopback only.")
@click.option(
    "--platform",
    type=click.Choice(["tdx", "sgx", "sev-snp", "nitro", "cca", "azure-vtpm"]),
    help="With --dev: the hardware to simulate.  [default: ENCLASP_SIMULATION_KIND, or tdx]",
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the state is kept; with --dev also the simulated vendor.",
)
@click.pass_context
def run(ctx: click.Context, config_file: Path | None, dev: bool, platform: str | None, state_dir: Path | None) -> None:
    """Run the coordinator until it is stopped (SIGTERM or Ctrl-C).

    MarbleRun's environment variables are read too (EDG_COORDINATOR_CLIENT_ADDR, EDG_COORDINATOR_MESH_ADDR, ...).

    \b
    enclasp coordinator run --dev
    enclasp coordinator run --dev --platform sev-snp
    enclasp coordinator run --config coordinator.toml --state-dir /var/lib/enclasp
    """
    ctx.exit(guarded(lambda: _serve(config_file, dev, platform, state_dir), machine=False))


def _serve(config_file: Path | None, dev: bool, platform: str | None, state_dir: Path | None) -> int:
    from coordinator.config import ConfigInvalid, load

    toml = None if config_file is None else read_input(config_file)
    environ: Mapping[str, str] = os.environ
    if platform is not None:
        if not dev:
            raise click.UsageError("--platform is for --dev; real hardware is found where it is")
        environ = {**environ, "ENCLASP_SIMULATION_KIND": platform}
    try:
        if dev:
            from coordinator.dev import DEFAULT_FOLDER, prepare

            folder = Path(DEFAULT_FOLDER) if state_dir is None else state_dir
            environ = prepare(folder, environ)
            _say_how_to_reach_it(folder, environ)
        config = load(toml, environ, told_at_launch(environ), name=str(config_file))
    except ConfigInvalid as cause:
        raise Problem(str(cause), exit_codes.INVALID, "U507") from cause
    if state_dir is not None and not dev:
        config = replace(config, state_dir=str(state_dir))
    gc.disable()  # start-up makes no garbage worth a search; the server enables it when it is ready
    try:
        return _run(config, environ)
    finally:
        gc.enable()


def _say_how_to_reach_it(folder: Path, environ: Mapping[str, str]) -> None:
    """For a person at a terminal, who wants to talk to it from another one."""
    if not sys.stderr.isatty():
        return
    words = {
        "ENCLASP_COORDINATOR": environ["EDG_COORDINATOR_CLIENT_ADDR"],
        "ENCLASP_COORDINATOR_REFERENCE": folder / "reference.yaml",
        "ENCLASP_COORDINATOR_TRUST": environ["ENCLASP_TRUST"],
        "ENCLASP_COORDINATOR_COLLATERAL": environ["ENCLASP_COLLATERAL"],
        "ENCLASP_SIMULATION": environ["ENCLASP_SIMULATION"],
    }
    lines = ("in another terminal, in this folder:", *(f"  export {name}={value}" for name, value in words.items()))
    print("\n".join((*lines, "  enclasp status")), file=sys.stderr)


def _run(config: "Config", environ: Mapping[str, str]) -> int:
    server = _import_server()
    try:
        return int(server.serve(config, environ))
    except server.CannotStart as cause:
        message, _, rest = str(cause).partition("\n")
        said = f"the coordinator cannot start: {message}"
        raise Problem(said, exit_codes.INVALID, cause.code, detail=rest.rstrip()) from cause


def _import_server() -> ModuleType:
    """The server's module; it needs packages that a visitor does not.  Raises Problem if one is missing."""
    try:
        with _without_system_certificates():
            from coordinator import run as server
    except ModuleNotFoundError as cause:
        if cause.name is None or cause.name.partition(".")[0] in ("coordinator", "attestation", "pki", "marble"):
            raise
        hint = "install the server's part: pip install 'enclasp[coordinator]'"
        raise Problem(f"the Python package '{cause.name}' is missing", exit_codes.USAGE, "U505", hint) from cause
    return server


@contextmanager
def _without_system_certificates() -> Iterator[None]:
    """aiohttp loads the system's CA certificates twice when it is imported, for clients.  A server needs none of them,
    so OpenSSL is told that there are none: 0.1 s and 2 MB less."""
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
