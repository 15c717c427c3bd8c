"""`enclasp kubernetes webhook`: the admission webhook, as it runs in the cluster."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, guarded
from coordinator.cli.kubernetes_init_data import FOLDER, read_texts
from coordinator.cli.problems import Problem


@click.command()
@click.option("--coordinator", required=True, metavar="HOST:PORT", help="The marble door, as pods reach it.")
@click.option("--port", type=click.IntRange(1, 65535), default=8443, show_default=True, help="Where to listen.")
@click.option("--domain", default="cluster.local", show_default=True, help="The cluster's DNS domain.")
@click.option(
    "--platform",
    type=click.Choice(["sgx", "tdx", "sev-snp", "nitro", "none"]),
    default="sgx",
    show_default=True,
    help="Of pods that name none.",
)
@click.option("--sgx-resource", default="sgx.intel.com/epc", show_default=True, help="Resource that stands for SGX.")
@click.option("--runtime-class", multiple=True, metavar="PLATFORM=NAME", help="What pods of a platform run under.")
@click.option("--launcher-image", default="", help="Image to lay the launcher from; without it pods cannot ask for it.")
@click.option("--simulation-secret", default="", help="SIMULATED hardware: a Secret in each pod's namespace.")
@click.option("--init-data", is_flag=True, help="Give init-data to pods that become virtual machines (Kata).")
@click.option("--init-data-texts", type=FOLDER, help="A folder with further texts of it, read at the start.")
@click.option("--namespace", default="enclasp", show_default=True, help="Where Service and Secret of the webhook are.")
@click.option("--service", default="marble-injector", show_default=True, help="The webhook's Service.")
@click.option("--secret", default="marble-injector-tls", show_default=True, help="Secret of its own certificate.")
@click.option("--configuration", default="marble-injector", show_default=True, help="The MutatingWebhookConfiguration.")
@click.option("--certificate-lifetime", type=click.IntRange(60), default=7776000, show_default=True, metavar="SECONDS")
@click.option("--tls-cert", type=FILE, help="A certificate that somebody else renews (cert-manager), with --tls-key.")
@click.option("--tls-key", type=FILE, help="Its key.")
@click.pass_context
def webhook(
    ctx: click.Context,
    coordinator: str,
    port: int,
    domain: str,
    platform: str,
    sgx_resource: str,
    runtime_class: tuple[str, ...],
    launcher_image: str,
    simulation_secret: str,
    init_data: bool,
    init_data_texts: Path | None,
    namespace: str,
    service: str,
    secret: str,
    configuration: str,
    certificate_lifetime: int,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> None:
    """Run the admission webhook: what labels a pod as a marble is told where the coordinator is, and what it is.

    It makes, stores and renews its own certificate, and tells the API server to trust it.

    \b
    enclasp kubernetes webhook --coordinator coordinator-mesh-api.enclasp:2001
    enclasp kubernetes webhook --coordinator coordinator-mesh-api.enclasp:2001 --tls-cert tls.crt --tls-key tls.key
    """

    def run() -> int:
        try:
            from coordinator.admission import run
            from coordinator.admission.certificate import CredentialInvalid
            from coordinator.admission.keeper import Names
            from coordinator.admission.settings import Injection
            from coordinator.cluster.errors import ClusterError
            from coordinator.observe import configure_logging
        except ModuleNotFoundError as cause:
            hint = "install the server's part: pip install 'enclasp[coordinator]'"
            raise Problem(f"the Python package '{cause.name}' is missing", exit_codes.USAGE, "U505", hint) from cause
        configure_logging("info")
        texts = read_texts(init_data_texts) if init_data_texts is not None else {}
        injection = Injection(
            coordinator=coordinator,
            domain=domain,
            platform=platform,
            sgx_resource=sgx_resource,
            runtime_classes=_pairs(runtime_class),
            launcher_image=launcher_image,
            simulation_secret=simulation_secret,
            init_data=texts if init_data else None,
        )
        full = f"{service}.{namespace}.svc"
        names = Names(namespace, secret, configuration, (full, f"{full}.{domain}"))
        try:
            door = run.Door(port, timedelta(seconds=certificate_lifetime))
            if tls_cert and tls_key:
                run.with_files(injection, door, tls_cert, tls_key)
            else:
                run.with_own(injection, door, names, os.environ)
        except CredentialInvalid as cause:
            raise Problem(str(cause), exit_codes.INVALID, "K622") from cause
        except ClusterError as cause:
            raise Problem(str(cause).partition("\n")[0], exit_codes.UNREACHABLE, cause.code) from cause
        return exit_codes.DONE

    if bool(tls_cert) != bool(tls_key):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    sys.stdout.flush()
    ctx.exit(guarded(run, machine=False))


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if bad := [name for name, equals, value in pairs if not (name and equals and value)]:
        raise click.UsageError(f"--runtime-class: expected PLATFORM=NAME, got '{bad[0]}'")
    return {name: value for name, _, value in pairs}
