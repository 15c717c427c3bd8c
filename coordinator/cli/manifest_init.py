"""`enclasp manifest init`: a commented manifest to start from, with what a person has to decide marked in it."""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import coordinator
from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, reports
from coordinator.cli.manifest_cluster import Cluster
from coordinator.cli.manifest_given import read_people, read_references
from coordinator.cli.manifest_kubernetes import read_kubernetes
from coordinator.cli.output import Output, write_file
from coordinator.cli.problems import Problem
from coordinator.manifest.words import printable

if TYPE_CHECKING:
    from coordinator.cli.manifest_given import People
    from coordinator.draft.kubernetes.objects import Remark
    from coordinator.draft.model import Draft, Platform
    from coordinator.draft.sketch import Call

PROCESSORS: Final = ("tdx", "sgx", "sev-snp", "nitro", "cca", "azure-vtpm")
_TEMPLATES: Final = Path(coordinator.__path__[0]).parent / "manifests"


@click.command()
@click.argument("file", type=FILE, required=False)
@click.option("--template", metavar="NAME", help="A finished example to change; `--template list` names them.")
@click.option("--service", "services", multiple=True, metavar="NAME", help="A service; may be repeated.")
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    type=click.Choice(PROCESSORS),
    help="Where services run; several: each is enough.  [default: tdx]",
)
@click.option("--gpu", is_flag=True, help="An NVIDIA GPU belongs to each platform.")
@click.option("--secret", "keys", multiple=True, metavar="NAME", help="A key that services share; made, not given.")
@click.option("--upload", "uploads", multiple=True, metavar="NAME", help="A secret that comes from outside.")
@click.option("--calls", "calls", multiple=True, metavar="A=B:PORT", help="Service A connects to service B.")
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="[SERVICE=]FILE",
    help="Reference values of a service: what `manifest measure` prints, or a SIGSTRUCT (.sig).",
)
@click.option("--user", "people", multiple=True, metavar="NAME=CERT", help="Who may update it: certificate, PEM.")
@click.option("--recovery-key", "owners", multiple=True, metavar="NAME=KEY", help="Who recovers the state: public key.")
@click.option("--from-kubernetes", "origin", metavar="PATH|-|live", help="Objects in a file or folder, or a cluster.")
@click.option("--namespace", default="", help="With live: this namespace, not the context's.")
@click.option("--selector", default="", help="With live: only workloads with these labels, as kubectl's -l.")
@click.option("--kubeconfig", default="", metavar="FILE", help="With live: the cluster's access file.")
@click.option("--context", default="", help="With live: this context of the access file.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@reports
def init(
    output: Output,
    file: Path | None,
    template: str | None,
    services: tuple[str, ...],
    platforms: tuple[str, ...],
    gpu: bool,
    keys: tuple[str, ...],
    uploads: tuple[str, ...],
    calls: tuple[str, ...],
    references: tuple[str, ...],
    people: tuple[str, ...],
    owners: tuple[str, ...],
    origin: str | None,
    namespace: str,
    selector: str,
    kubeconfig: str,
    context: str,
    force: bool,
) -> None:
    """Write a commented manifest to FILE (`-`: stdout; without it to --out, or manifest.yaml). What a person has to
    decide begins with DECIDE: in it, and `manifest check` finds what is still open. Asks on a terminal, where no flag
    says what is wanted.

    \b
    enclasp manifest init --service web --service api --calls web=api:8443 --secret sessionKey
    enclasp manifest init --service web --platform tdx --platform sev-snp --reference web=measured.yaml
    enclasp manifest init --from-kubernetes deploy/ --platform sev-snp
    helm template shop chart/ | enclasp manifest init --from-kubernetes -
    enclasp manifest init manifest.yaml --template two_platforms
    """
    names = _template_names()
    if template == "list":
        output.result(names, "\n".join(names))
        return
    if file is None:
        file, output = output.out or Path("manifest.yaml"), output.without_file()
    if str(file) != "-" and file.exists() and not force:
        raise Problem(f"{file}: exists", exit_codes.INVALID, "U501", "choose another name, or replace it with --force")
    cluster = Cluster(namespace, selector, kubeconfig, context)
    if cluster != Cluster() and origin != "live":
        raise click.UsageError("--namespace, --selector, --kubeconfig and --context go with --from-kubernetes live")
    if origin is not None:
        if template is not None or services or keys or uploads or calls:
            raise click.UsageError(
                "--from-kubernetes does not go with --template, --service, --secret, --upload, --calls"
            )
        _from_kubernetes(
            output, file, origin, cluster, read_platforms(platforms, gpu=gpu), references, read_people(people, owners)
        )
        return
    wished = (services, platforms, keys, uploads, calls, references, people, owners)
    if template is not None and (any(wished) or gpu):
        raise click.UsageError("--template is a finished example; expected either it or the other flags")
    if template is None and not any(wished) and not gpu and sys.stdin.isatty():
        services, platforms, keys, uploads, calls = _ask()
    elif template is None and not services:
        if any(wished) or gpu:
            raise click.UsageError("expected --service NAME")
        template = "minimal"
    if template is not None:
        _write(output, file, _template(template, names), template=template, decisions=0)
        return
    from coordinator.draft.render import decisions, render

    draft = _sketch(services, platforms, gpu, keys, uploads, calls, references)
    text = render(replace(draft, **read_people(people, owners)))
    _write(output, file, text.encode(), template=None, decisions=decisions(text))


def _write(
    output: Output,
    file: Path,
    raw: bytes,
    *,
    template: str | None,
    decisions: int,
    ignored: "Sequence[Remark]" = (),
) -> None:
    document: dict[str, Any] = {"file": str(file), "template": template, "decisions": decisions}
    document["ignored"] = [{"where": remark.where, "what": remark.text} for remark in ignored]
    if not output.machine:
        for remark in ignored:
            output.remark(printable(f"not taken over: {remark.where}: {remark.text}"))
    if str(file) == "-":
        output.result(document | {"manifest": raw.decode()}, raw)
        return
    write_file(file, raw)
    count = "1 decision is open and begins" if decisions == 1 else f"{decisions} decisions are open and begin"
    opened = f"; {count} with DECIDE:" if decisions else ""
    output.result(document, f"written to {file}{opened}; next: enclasp manifest check {file}")
    output.remark("for an editor: enclasp manifest schema --out manifest.schema.json (the first line names that file)")


# From Kubernetes


def _from_kubernetes(
    output: Output,
    file: Path,
    origin: str,
    cluster: Cluster,
    platforms: "tuple[Platform, ...]",
    references: tuple[str, ...],
    people: "People",
) -> None:
    from coordinator.draft.kubernetes.convert import NoWorkload, convert, marbles
    from coordinator.draft.render import decisions, render

    application = read_kubernetes(origin, cluster, output.remark)
    measured = read_references(references, marbles(application))
    try:
        converted = convert(application, platforms=platforms, measured=measured, origin=_called(origin, cluster))
    except NoWorkload as cause:
        why = "\n".join(printable(f"  {remark.where}: {remark.text}") for remark in application.remarks[:_SHOWN])
        message = f"{_called(origin, cluster)}: nothing there starts a pod"
        raise Problem(message, exit_codes.INVALID, "E062", detail=why) from cause
    text = render(replace(converted.draft, **people))
    _write(output, file, text.encode(), template=None, decisions=decisions(text), ignored=converted.remarks)


def _called(origin: str, cluster: Cluster) -> str:
    if origin == "live":
        return f"the cluster's namespace {cluster.namespace}" if cluster.namespace else "the cluster"
    return "stdin" if origin == "-" else origin


# From an example


def _template_names() -> list[str]:
    return ["minimal", *sorted(path.stem for path in (_TEMPLATES / "templates").glob("*.yaml"))]


def _template(name: str, names: list[str]) -> bytes:
    from coordinator.draft.render import MODELINE

    if name not in names:
        raise click.BadParameter(f"'{name}' is not one of {', '.join(names)}", param_hint="--template")
    path = _TEMPLATES / ("minimal.yaml" if name == "minimal" else f"templates/{name}.yaml")
    _, _, rest = path.read_text(encoding="utf-8").partition("\n")
    return f"{MODELINE}\n{rest}".encode()


# From nothing


def _ask() -> tuple[tuple[str, ...], ...]:
    """Services, platforms, keys, uploads and calls, as the flags would give them."""
    services = _listed("Which services are there? Names, with commas", "web")
    where = f"Where do they run? Of {', '.join(PROCESSORS)}; several: each is enough"
    platforms = _listed(where, "tdx", allowed=PROCESSORS)
    keys = _listed("Which keys do they share, that the coordinator makes? Names, or nothing", "")
    uploads = _listed("Which secrets come from outside? Names, or nothing", "")
    calls = _listed("Who calls whom? As web=api:8443, or nothing", "") if len(services) > 1 else ()
    return services, platforms, keys, uploads, calls


def _listed(question: str, default: str, allowed: Sequence[str] = ()) -> tuple[str, ...]:
    while True:
        answer = click.prompt(question, default=default, show_default=bool(default), err=True)
        texts = tuple(dict.fromkeys(text.strip() for text in answer.split(",") if text.strip()))
        wrong = [text for text in texts if allowed and text not in allowed]
        if not wrong and (texts or not default):
            return texts
        click.echo(f"expected one or more of {', '.join(allowed) or 'names'}, got '{answer}'", err=True)


def _sketch(
    services: tuple[str, ...],
    platforms: tuple[str, ...],
    gpu: bool,
    keys: tuple[str, ...],
    uploads: tuple[str, ...],
    calls: tuple[str, ...],
    references: tuple[str, ...],
) -> "Draft":
    from coordinator.draft.sketch import Wishes, sketch

    for name in (*keys, *uploads):
        if not _SECRET_NAME.fullmatch(name):
            raise click.UsageError(f"'{name}' cannot be written in templates; expected letters and digits")
    if not all(services):
        raise click.UsageError("--service has an empty name")
    services = tuple(dict.fromkeys(services))
    return sketch(
        Wishes(
            services=services,
            platforms=read_platforms(platforms or ("tdx",), gpu=gpu),
            measured=read_references(references, services),
            keys=tuple(dict.fromkeys(keys)),
            uploads=tuple(dict.fromkeys(uploads)),
            calls=tuple(_call(text, services) for text in calls),
        )
    )


def read_platforms(names: Sequence[str], *, gpu: bool) -> "tuple[Platform, ...]":
    """Platforms of the command line."""
    from attestation.kinds import Kind
    from coordinator.draft.model import Platform
    from coordinator.draft.platforms import WITH_GPU

    kinds = tuple(Kind(name) for name in dict.fromkeys(names))
    for kind in kinds:
        if gpu and kind not in WITH_GPU:
            raise click.UsageError(f"--gpu goes with {', '.join(WITH_GPU)}, got {kind}")
    return tuple(Platform(kind, gpu) for kind in kinds)


def _call(text: str, services: tuple[str, ...]) -> "Call":
    from coordinator.draft.sketch import Call

    caller, _, target = text.partition("=")
    called, _, port = target.rpartition(":")
    if not called or not port.isdecimal() or not 0 < int(port) < 65536:
        raise click.BadParameter(f"expected A=B:PORT, got '{text}'", param_hint="--calls")
    for name in (caller, called):
        if name not in services:
            raise click.BadParameter(f"'{name}' in '{text}' is no --service", param_hint="--calls")
    return Call(caller, called, port)


_SHOWN: Final = 10
"""Remarks that say why nothing was found."""
_SECRET_NAME: Final = re.compile("[A-Za-z][A-Za-z0-9_]{0,99}")
