"""`enclasp kubernetes install|uninstall`: the chart, with what has to be there before it, and nothing left after it."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, reports
from coordinator.cli.kubernetes_check import check_lines, read_facts, tool_problem
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from coordinator.kubernetes.tools import Tools

RELEASE = "enclasp"
SIMULATION_SECRET = "enclasp-simulation"
_REFERENCE = "reference.yaml"
_MADE_HERE = {"enclasp/made-by": "install"}
_PLATFORM = click.Choice(["sgx", "tdx", "sev-snp"])


@click.command()
@click.option("--namespace", default="enclasp", show_default=True, help="Where to; made if it is not there.")
@click.option("--platform", type=_PLATFORM, help="Hardware of coordinator and marbles.")
@click.option(
    "--simulation",
    type=click.Path(file_okay=False, path_type=Path),
    help="SIMULATED hardware: a folder of a simulated vendor, made if it is not there; gets reference.yaml too.",
)
@click.option("--marbles", multiple=True, metavar="NAMESPACE", help="Where simulated marbles will be; may be repeated.")
@click.option("--values", multiple=True, type=FILE, help="Values for the chart, as for helm.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One value for the chart, as for helm.")
@click.option("--chart", type=click.Path(path_type=Path), help="Folder or archive of the chart.")
@click.option("--timeout", default="5m", show_default=True, help="How long to wait until all pods are ready.")
@reports
def install(
    output: Output,
    namespace: str,
    platform: str | None,
    simulation: Path | None,
    marbles: tuple[str, ...],
    values: tuple[Path, ...],
    settings: tuple[str, ...],
    chart: Path | None,
    timeout: str,
) -> int:
    """Check the cluster, then install or upgrade coordinator and webhook, and wait until they are ready.

    The cluster is the one of kubectl's current context; kubectl and helm must be installed.

    \b
    enclasp kubernetes install --simulation simulation --marbles shop
    enclasp kubernetes install --platform tdx --values values.yaml
    """
    from coordinator.kubernetes.preflight import RUNTIME_CLASSES, SIMULATED, preflight, sgx_resource
    from coordinator.kubernetes.tools import ToolFailed, Tools

    if (platform is None) == (simulation is None):
        raise click.UsageError("either --platform or --simulation is needed")
    folder = chart or Path(__file__).parents[2] / "charts" / "coordinator"
    if not folder.exists():
        raise Problem(f"{folder}: expected the chart, got none", exit_codes.INVALID, "K633")
    try:
        tools = Tools.find()
        facts = read_facts(tools)
        persistence = "coordinator.persistence=false" not in settings
        checks = preflight(facts, platform or SIMULATED, persistence=persistence and not values)
        if not all(check.passed for check in checks):
            raise Problem(
                "the cluster is not ready for an installation",
                exit_codes.INVALID,
                "K632",
                detail="\n".join(check_lines(checks)),
                data={"checks": [check.as_json() for check in checks]},
            )
        own = {"marbleInjector.platform": platform or "sgx", "marbleInjector.resourceKey": sgx_resource(facts)}
        tools.apply(*_namespaces(tools, (namespace, *marbles)))
        if simulation is not None:
            own["coordinator.simulation"] = "true"
            _make_simulation(simulation, output)
            tools.apply(*(_simulation_secret(simulation, each) for each in (namespace, *marbles)))
        elif (runtime_class := RUNTIME_CLASSES.get(platform or "")) is not None:
            own["coordinator.runtimeClassName"] = runtime_class
        output.remark(f"installing {folder} in the namespace {namespace}; waiting until all pods are ready")
        arguments = ["upgrade", "--install", RELEASE, str(folder), "--namespace", namespace]
        arguments += [word for name, value in own.items() for word in ("--set", f"{name}={value}")]
        arguments += [word for path in values for word in ("--values", str(path))]
        arguments += [word for setting in settings for word in ("--set", setting)]
        tools.run_helm(*arguments, "--wait", "--timeout", timeout, "--output", "json")
        notes = tools.run_helm("get", "notes", RELEASE, "--namespace", namespace)
    except ToolFailed as failed:
        raise tool_problem(failed) from failed
    document = {
        "namespace": namespace,
        "release": RELEASE,
        "simulated": simulation is not None,
        "checks": [check.as_json() for check in checks],
    }
    output.result(document, "\n".join([*check_lines(checks), notes.removeprefix("NOTES:").strip()]))
    return exit_codes.DONE


@click.command()
@click.option("--namespace", default="enclasp", show_default=True, help="Where Enclasp is.")
@reports
def uninstall(output: Output, namespace: str) -> int:
    """Remove Enclasp, its state included, and what `install` made. Pods that are marbles go on running, unattended.

    Namespaces of marbles stay; the namespace of Enclasp goes if `install` made it.

    \b
    enclasp kubernetes uninstall
    enclasp kubernetes uninstall --namespace confidential
    """
    from coordinator.journal.head_object import JOURNAL_LABEL
    from coordinator.kubernetes.tools import ToolFailed, Tools

    try:
        tools = Tools.find()
        tools.run_helm("uninstall", RELEASE, "--namespace", namespace, "--ignore-not-found", "--wait")
        secrets = tools.items("secrets", "--all-namespaces", "--selector", _selector())
        places = [each["metadata"]["namespace"] for each in secrets]
        for place in places:
            tools.delete("--namespace", place, "secret", "--selector", _selector())
        states = tools.items("--namespace", namespace, "secrets", "--selector", JOURNAL_LABEL)
        for name in {each["metadata"]["labels"][JOURNAL_LABEL] for each in states}:
            tools.delete("--namespace", namespace, "lease", name)
            tools.delete("--namespace", namespace, "secret", "--selector", f"{JOURNAL_LABEL}={name}")
        found = tools.get("namespace", namespace)
        made = found is not None and (found["metadata"].get("labels") or {}).items() >= _MADE_HERE.items()
        if made:
            tools.delete("namespace", namespace)
    except ToolFailed as failed:
        raise tool_problem(failed) from failed
    document = {"namespace": namespace, "namespace_deleted": made, "secrets_deleted": places}
    output.result(document, f"Enclasp is gone from the namespace {namespace}")
    return exit_codes.DONE


def _selector() -> str:
    return ",".join(f"{name}={value}" for name, value in _MADE_HERE.items())


def _namespaces(tools: "Tools", names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Those that are not there; only they may be deleted by us one day."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": _MADE_HERE}}
        for name in dict.fromkeys(names)
        if tools.get("namespace", name) is None
    ]


def _make_simulation(folder: Path, output: Output) -> None:
    """The simulated vendor, and what its hardware measures of this version of the coordinator."""
    from attestation.simulation.folder import create
    from coordinator.dev import reference_values

    create(folder)
    (folder / _REFERENCE).write_text(reference_values({}))
    output.remark(f"SIMULATED vendor and reference values in {folder}")


def _simulation_secret(folder: Path, namespace: str) -> dict[str, Any]:
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != _REFERENCE}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SIMULATION_SECRET, "namespace": namespace, "labels": _MADE_HERE},
        "data": {name: base64.b64encode(content).decode() for name, content in files.items()},
    }
