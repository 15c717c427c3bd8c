"""Where Kubernetes objects come from: files, folders, stdin, or a cluster."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import read_input
from coordinator.cli.manifest_cluster import MAX_BYTES, Cluster, ask
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from coordinator.draft.kubernetes.objects import Application
    from coordinator.draft.kubernetes.tree import Source


def read_kubernetes(origin: str, cluster: Cluster, say: Callable[[str], None]) -> "Application":
    """Every object of a file, folder, `-` or `live`.  say: takes remarks for people.  Raises Problem, OSError."""
    from coordinator.draft.kubernetes.objects import read_application
    from coordinator.draft.kubernetes.tree import NotReadable

    if not origin:
        raise click.UsageError("--from-kubernetes has an empty path")
    if origin == "live":
        sources = ask(cluster, say)
    else:
        sources = _files(Path(origin))
    try:
        return read_application(sources)
    except NotReadable as cause:
        raise Problem(str(cause), exit_codes.INVALID, "E061", cause.hint) from cause


def _files(path: Path) -> "Iterator[Source]":
    from coordinator.draft.kubernetes.tree import Source

    if str(path) == "-":
        yield Source("<stdin>", read_input(path))
        return
    if not path.is_dir():
        yield Source(str(path), read_input(path))
        return
    if (path / "Chart.yaml").is_file():
        hint = f"render it: helm template {path} | enclasp manifest init --from-kubernetes -"
        raise Problem(f"{path} is a Helm chart, not what it makes", exit_codes.INVALID, "E061", hint)
    if (path / "kustomization.yaml").is_file():
        hint = f"build it: kubectl kustomize {path} | enclasp manifest init --from-kubernetes -"
        raise Problem(f"{path} is a kustomization, not what it makes", exit_codes.INVALID, "E061", hint)
    found = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    found = [file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    if len(found) > MAX_FILES:
        raise Problem(f"{path}: expected at most {MAX_FILES} files, got {len(found)}", exit_codes.INVALID, "E061")
    total = 0
    for file in found:
        raw = read_input(file)
        total += len(raw)
        if total > MAX_BYTES:
            raise Problem(f"{path}: expected at most {MAX_BYTES} bytes in all", exit_codes.INVALID, "E061")
        yield Source(str(file), raw)


_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
MAX_FILES: Final = 2000
