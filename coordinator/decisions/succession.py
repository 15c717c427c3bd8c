"""Which programs may have a deployment's state, and whether one that has opened it may go on with it."""

from collections.abc import Sequence

from attestation.checks import Check, Status
from attestation.claims import Claims, ReferenceValues
from attestation.init_data import told_in
from attestation.likeness import is_same_program
from coordinator.decisions.errors import AnotherState, ConfigurationNotAccepted, KeeperNotNamed, SelfNotAccepted
from coordinator.manifest.coordinators import accepted
from coordinator.manifest.model import KeySource
from coordinator.measured import as_package
from coordinator.state.events import Version
from coordinator.state.model import Deployment
from pki.manifest_history import GENESIS, HistoryStep, next_link


def accepted_coordinators(deployment: Deployment) -> tuple[ReferenceValues, ...]:
    """What proves a coordinator that the manifest names; empty where it names none."""
    return accepted(deployment.manifest.config.coordinators, deployment.packages)


def not_accepted(claims: Claims) -> str:
    """The sentence about a program that is neither the other side's own nor accepted."""
    return (
        "it is another program, and Config.Coordinators of the manifest names none such; to accept it, add a package "
        f"with {as_package(claims)}, and name it there"
    )


def leader_not_accepted(leader: Claims, mine: Claims) -> str:
    """The sentence about a leader that its own manifest does not name."""
    return (
        "the leader is another program, and Config.Coordinators of its manifest does not name it; to have both, add "
        f"packages with {as_package(leader)} and {as_package(mine)}, and name them there"
    )


def check_program(deployment: Deployment, mine: Claims, before: Claims | None) -> None:
    """May this program go on with the state?  before: what the root certificate's Evidence says served until now.

    Where the manifest names no coordinators, whoever can open the state may, but for one thing: what was served under
    init-data that the hardware measured is not served under other init-data, or none.
    Raises SelfNotAccepted, ConfigurationNotAccepted.
    """
    if before is not None and is_same_program(before, mine):
        return
    named = accepted_coordinators(deployment)
    if not named:
        _check_told(mine, before)
        return
    tried = [values.appraise(mine) for values in named if values.kind is mine.kind]
    if not any(map(_all_passed, tried)):
        raise SelfNotAccepted(f"the state is not for this coordinator: {not_accepted(mine)}")


def _check_told(mine: Claims, before: Claims | None) -> None:
    """Raises ConfigurationNotAccepted."""
    served = None if before is None else told_in(before)
    if served is not None and any(served) and told_in(mine) != served:
        now = told_in(mine)
        found = "nothing that its evidence holds" if now is None or not any(now) else now.hex()
        raise ConfigurationNotAccepted(
            f"the state was served on a machine that was told {served.hex()} at launch, and this one was told {found}; "
            f"to accept it, let Config.Coordinators of the manifest name a package with {as_package(mine)}"
        )


def check_keeper(deployment: Deployment, keeper: KeySource | None) -> None:
    """Does the manifest let this key source open the state?  keeper: None where none of them did.

    A TPM seals for whoever can use it, and a token too: so a host could make a state of its own that such a source
    opens.  It counts only where those who approved the manifest said so.  Raises KeeperNotNamed.
    """
    named = deployment.manifest.config.key_sources
    if keeper is not None and keeper not in named:
        raise KeeperNotNamed(
            f"state: expected one that a key source of its manifest opens (Config.KeySources: {', '.join(named)}), "
            f"got one that {keeper} opened"
        )


def check_goes_on(deployment: Deployment, since: HistoryStep | None) -> None:
    """Is this a state that goes on from the step at which its key was handed over?  Raises AnotherState."""
    if since is None:
        return
    versions = deployment.history.versions
    if len(versions) < since.entries or link_over(versions[: since.entries]) != since.link:
        raise AnotherState(
            f"state: expected one whose history goes on from entry {since.entries} with link {since.link.hex()}, where "
            f"its key was handed over; got a history of {len(versions)} that does not"
        )


def link_over(versions: Sequence[Version]) -> bytes:
    """The history's link over these steps, 32 bytes."""
    link = GENESIS
    for version in versions:
        link = next_link(link, version.entry.encode())
    return link


def _all_passed(checks: Sequence[Check]) -> bool:
    return all(check.status is Status.PASSED for check in checks)
