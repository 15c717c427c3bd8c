"""The options of every command that talks to a coordinator, and the verified visit that they describe."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem
from coordinator.cli.trust import Moment, current_moment, read_anchors, read_endorsements, read_reference

if TYPE_CHECKING:
    from attestation.claims import ReferenceValues
    from coordinator.client.client import ActiveManifest, CoordinatorClient
    from coordinator.client.transport import Transport, UserFiles
    from coordinator.client.verify import Expectation, VerifiedDeployment

_ENDPOINT_VARIABLES = ("ENCLASP_COORDINATOR", "MARBLERUN")
endpoint_argument = click.argument("endpoint", envvar=list(_ENDPOINT_VARIABLES))
"""HOST:PORT of the client interface; the environment may hold it."""


def names_and_endpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Arguments NAME... ENDPOINT, of which the environment may hold the last; the function gets both.

    Click would take the last name for the endpoint.  Where the environment has one, only HOST:PORT stands for another.
    """

    @click.argument("words", nargs=-1, required=True, metavar="NAME... ENDPOINT")
    @functools.wraps(function)
    def with_names(*args: Any, words: tuple[str, ...], **named: Any) -> Any:
        names, endpoint = words, next((text for name in _ENDPOINT_VARIABLES if (text := os.environ.get(name))), "")
        if not endpoint or _is_endpoint(words[-1]):
            names, endpoint = words[:-1], words[-1]
        if not names:
            raise click.UsageError("Missing argument 'NAME...' or 'ENDPOINT'.")
        return function(*args, names=names, endpoint=endpoint, **named)

    return with_names


def _is_endpoint(text: str) -> bool:
    """Whether it is written as HOST:PORT; a host alone could be a name."""
    from coordinator.client.endpoint import parse_endpoint
    from coordinator.client.errors import EndpointInvalid

    try:
        parse_endpoint(text)
    except EndpointInvalid:
        return False
    return ":" in text


@dataclass(frozen=True, slots=True)
class Visit:
    """What the user gave to verify a coordinator by.  insecure: talk to it without verification.

    user: certificate and key (PEM files) to show, both or neither.  accepted: reference values besides the file's.
    """

    reference: Path | None
    trust: Path | None
    collateral: Path | None
    at: datetime | None
    insecure: bool
    user: "UserFiles | None" = None
    accepted: "tuple[ReferenceValues, ...]" = ()

    @property
    def now(self) -> datetime:
        """The moment for which to verify."""
        return self.at if self.at is not None else current_moment()

    def expectation(self) -> "Expectation":
        """Read the files.  Raises Problem if there are no reference values."""
        from attestation.verify import Verifier
        from coordinator.client.verify import Expectation

        if self.reference is None and not self.accepted:
            raise Problem("--reference FILE is missing", exit_codes.USAGE, "U504")
        verifier = Verifier(read_anchors(self.trust), read_endorsements(self.collateral))
        named = () if self.reference is None else read_reference(self.reference)
        return Expectation(verifier, (*named, *self.accepted))

    def verified(self, endpoint: str) -> "tuple[VerifiedDeployment, CoordinatorClient]":
        """Verify the coordinator over the network.  Raises what `verify_coordinator` raises."""
        from coordinator.client.verify import verify_coordinator

        return self._verified_by(verify_coordinator, endpoint)

    def client_in_any_state(self, endpoint: str, output: Output) -> "CoordinatorClient":
        """As `client`, also for a coordinator that waits for recovery: of that, its program is verified."""
        from coordinator.client.verify import verify_in_any_state

        if self.insecure:
            return unverified_client(endpoint, output, "INSECURE: --insecure was given", self.user)
        deployment, client = self._verified_by(verify_in_any_state, endpoint)
        say_verified(deployment, output)
        return client

    def _verified_by(
        self, verify: "Callable[..., tuple[VerifiedDeployment, CoordinatorClient]]", endpoint: str
    ) -> "tuple[VerifiedDeployment, CoordinatorClient]":
        from coordinator.client.verify import NONCE_BYTES

        expectation = self.expectation()
        transport = _transport(endpoint, self.user)
        nonce = os.urandom(NONCE_BYTES)  # noqa: TID251 - shell: draws the nonce
        return verify(transport.exchange, expectation, nonce=nonce, now=self.now)

    def client(self, endpoint: str, output: Output) -> "CoordinatorClient":
        """A client that is pinned to the verified coordinator; with `--insecure` one that is not, said aloud."""
        if self.insecure:
            return unverified_client(endpoint, output, "INSECURE: --insecure was given", self.user)
        deployment, client = self.verified(endpoint)
        say_verified(deployment, output)
        return client


def unverified_client(endpoint: str, output: Output, why: str, user: "UserFiles | None" = None) -> "CoordinatorClient":
    """A client without verification; the remark says that anybody may have answered."""
    from coordinator.client.client import CoordinatorClient

    client = CoordinatorClient(_transport(endpoint, user).exchange)
    output.remark(f"{why}; the coordinator is NOT verified, anybody may have answered")
    return client


def _transport(endpoint: str, user: "UserFiles | None") -> "Transport":
    from coordinator.client.endpoint import parse_endpoint
    from coordinator.client.transport import Transport

    return Transport(parse_endpoint(endpoint), user=user)


def say_verified(deployment: "VerifiedDeployment", output: Output) -> None:
    """One line on stderr: what was verified, and that it is simulated where it is."""
    from coordinator.cli.verdicts import SIMULATED

    if deployment.simulated:
        output.remark(SIMULATED)
    output.remark(f"verified: {deployment.verdict.platform} evidence, verdict {deployment.verdict.outcome}")


def manifest_of(deployment: "VerifiedDeployment") -> "ActiveManifest":
    """The manifest in force.  Raises Problem if there is none yet."""
    if deployment.manifest is None:
        raise Problem("the coordinator has no manifest yet", exit_codes.INVALID, "V136")
    return deployment.manifest


def visits(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the function gets them as `visit`."""

    @click.option(
        "--reference",
        type=FILE,
        envvar="ENCLASP_COORDINATOR_REFERENCE",
        help="Reference values of the coordinator that you expect.",
    )
    @click.option(
        "--trust",
        type=FILE,
        envvar="ENCLASP_COORDINATOR_TRUST",
        help="Root certificate of a simulated vendor that you accept besides the real ones.",
    )
    @click.option(
        "--collateral", type=FILE, envvar="ENCLASP_COORDINATOR_COLLATERAL", help="Bundle of the vendors' endorsements."
    )
    @click.option("--at", type=Moment(), help="Verify for this moment instead of now.")
    @functools.wraps(function)
    def with_visit(
        *args: Any,
        reference: Path | None,
        trust: Path | None,
        collateral: Path | None,
        at: datetime | None,
        insecure: bool = False,
        user_cert: Path | None = None,
        user_key: Path | None = None,
        **named: Any,
    ) -> Any:
        visit = Visit(reference, trust, collateral, at, insecure, _user(user_cert, user_key))
        return function(*args, visit=visit, **named)

    return with_visit


def _user(certificate: Path | None, key: Path | None) -> "UserFiles | None":
    if certificate is None or key is None:
        if certificate is not key:
            raise click.UsageError("--user-cert and --user-key belong together")
        return None
    from coordinator.client.transport import UserFiles

    return UserFiles(certificate, key)


def user_options(required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options by which a user is known; with the names that MarbleRun's command line has, too."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        certificate = click.option(
            "--user-cert",
            "--cert",
            "-c",
            type=FILE,
            required=required,
            envvar="ENCLASP_USER_CERT",
            help="Your certificate in PEM, as the manifest has it under Users.",
        )
        key = click.option(
            "--user-key",
            "--key",
            "-k",
            type=FILE,
            required=required,
            envvar="ENCLASP_USER_KEY",
            help="Its private key in PEM, not encrypted.",
        )
        return certificate(key(function))

    return add


insecure_option = click.option(
    "--insecure", is_flag=True, help="Talk to the coordinator without verifying it. Anybody may answer."
)
