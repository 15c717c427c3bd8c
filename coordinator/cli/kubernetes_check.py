"""`enclasp kubernetes check`: what does the cluster have, what is missing, and is Enclasp in it and well?"""

from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import reports
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from coordinator.kubernetes.preflight import Check, Facts
    from coordinator.kubernetes.tools import ToolFailed, Tools

PLATFORMS = ("simulated", "sgx", "tdx", "sev-snp", "nitro")
_DEPLOYMENTS = ("coordinator", "marble-injector")


@click.command()
@click.option("--namespace", default="enclasp", show_default=True, help="Where Enclasp is, or will be.")
@click.option("--platform", type=click.Choice(PLATFORMS), default="simulated", show_default=True)
@click.option("--strict", is_flag=True, help="Exit code 9 if a check fails.")
@reports
def check(output: Output, namespace: str, platform: str, strict: bool) -> int:
    """Say what the cluster has for each platform, what is missing, and whether Enclasp is in it and ready.

    What counts for --strict is PLATFORM.

    The cluster is the one of kubectl's current context.

    \b
    enclasp kubernetes check --platform tdx
    enclasp kubernetes check -o json --strict
    """
    from coordinator.kubernetes.preflight import environments, platforms_of, preflight
    from coordinator.kubernetes.tools import ToolFailed, Tools

    try:
        tools = Tools.find()
        facts = read_facts(tools)
        installed = [_deployment(tools, namespace, name) for name in _DEPLOYMENTS]
    except ToolFailed as failed:
        raise tool_problem(failed) from failed
    checks = preflight(facts, platform, persistence=False)
    nodes = [{"name": node["metadata"]["name"], "platforms": list(platforms_of(node))} for node in facts.nodes]
    lacks = {name: [each for each in found if not each.passed] for name, found in environments(facts).items()}
    document = {
        "version": facts.version,
        "nodes": nodes,
        "runtime_classes": [each["metadata"]["name"] for each in facts.runtime_classes],
        "checks": [each.as_json() for each in checks],
        "environments": {
            name: {"ready": not lacking, "missing": [each.as_json() for each in lacking]}
            for name, lacking in lacks.items()
        },
        "deployments": installed,
    }
    lines = [f"Kubernetes {facts.version}, {len(nodes)} nodes"]
    lines += [f"  {node['name']:<24}{', '.join(node['platforms']) or 'no confidential hardware'}" for node in nodes]
    lines += [*check_lines(checks), "what it could run on"]
    for name, lacking in lacks.items():
        lines.append(f"  {name:<24}{'all that is needed' if not lacking else 'lacks'}")
        lines += [f"    {each.name}: expected {each.expected}, found {each.found}; {each.hint}" for each in lacking]
    lines.append(f"in the namespace {namespace}")
    lines += [f"  {each['name']:<24}{each['ready']} of {each['wanted']} ready" for each in installed if each["there"]]
    lines += [f"  {each['name']:<24}not installed" for each in installed if not each["there"]]
    output.result(document, "\n".join(lines))
    well = all(each.passed for each in checks) and all(each["ready"] >= each["wanted"] for each in installed)
    return exit_codes.FINDINGS if strict and not well else exit_codes.DONE


def check_lines(checks: "tuple[Check, ...]") -> list[str]:
    """The checks for people."""
    lines = []
    for each in checks:
        lines.append(f"{'ok ' if each.passed else 'NO '} {each.name}: expected {each.expected}, found {each.found}")
        if not each.passed:
            lines.append(f"      {each.hint}")
    return lines


def read_facts(tools: "Tools") -> "Facts":
    """Ask the API server.  Raises ToolFailed."""
    from coordinator.kubernetes.preflight import RIGHTS, Facts

    version = tools.json("version")["serverVersion"]["gitVersion"]
    nodes, runtimes, storages = (tools.items(kind) for kind in ("nodes", "runtimeclasses", "storageclasses"))
    return Facts(version, nodes, runtimes, storages, {right: tools.may(*right) for right in RIGHTS})


def tool_problem(failed: "ToolFailed") -> Problem:
    """A failure of kubectl or helm as this command line says it."""
    exit_code = exit_codes.USAGE if failed.code == "K630" else exit_codes.INVALID
    message, _, detail = failed.message.partition("\n")
    return Problem(message, exit_codes.UNREACHABLE if failed.unreachable else exit_code, failed.code, detail=detail)


def _deployment(tools: "Tools", namespace: str, name: str) -> dict[str, Any]:
    found = tools.get("--namespace", namespace, f"deployment/{name}")
    status, spec = (found or {}).get("status", {}), (found or {}).get("spec", {})
    return {
        "name": name,
        "there": found is not None,
        "wanted": spec.get("replicas", 1),
        "ready": status.get("readyReplicas", 0),
    }
