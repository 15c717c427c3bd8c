"""`enclasp certificate root|intermediate|chain ENDPOINT`: the certificates of a verified coordinator."""

import click

from coordinator.cli.command import reports
from coordinator.cli.group import Group
from coordinator.cli.output import Output
from coordinator.cli.visit import Visit, endpoint_argument, insecure_option, say_verified, unverified_client, visits


@click.group(cls=Group)
def certificate() -> None:
    """Get the certificates of a verified coordinator."""


def _hand_over(output: Output, endpoint: str, visit: Visit, part: str) -> None:
    from pki.certificates import pem

    if visit.insecure:
        answer = unverified_client(endpoint, output, "INSECURE: --insecure was given").quote(b"")
        root, intermediate = answer.root, answer.intermediate
    else:
        deployment, _ = visit.verified(endpoint)
        say_verified(deployment, output)
        assert deployment.intermediate is not None
        root, intermediate = deployment.root, deployment.intermediate
    text = {"root": pem(root), "intermediate": pem(intermediate), "chain": pem(intermediate, root)}[part]
    simulated = None if visit.insecure else deployment.simulated
    output.result({"certificate": text.decode(), "verified": not visit.insecure, "simulated": simulated}, text)


@certificate.command()
@endpoint_argument
@insecure_option
@visits
@reports
def root(output: Output, endpoint: str, visit: Visit) -> None:
    """The root certificate: the one that stands for the whole deployment.

    \b
    enclasp certificate root localhost:4433 --reference reference.yaml --out root.pem
    enclasp certificate root localhost:4433 --reference reference.yaml -o json
    """
    _hand_over(output, endpoint, visit, "root")


@certificate.command()
@endpoint_argument
@insecure_option
@visits
@reports
def intermediate(output: Output, endpoint: str, visit: Visit) -> None:
    """The intermediate certificate: who pins it notices every update of the manifest.

    \b
    enclasp certificate intermediate localhost:4433 --reference reference.yaml --out intermediate.pem
    enclasp certificate intermediate localhost:4433 --reference reference.yaml -o json
    """
    _hand_over(output, endpoint, visit, "intermediate")


@certificate.command()
@endpoint_argument
@insecure_option
@visits
@reports
def chain(output: Output, endpoint: str, visit: Visit) -> None:
    """Both: the intermediate certificate, then the root certificate.

    \b
    enclasp certificate chain localhost:4433 --reference reference.yaml --out chain.pem
    enclasp certificate chain localhost:4433 --reference reference.yaml -o json
    """
    _hand_over(output, endpoint, visit, "chain")
