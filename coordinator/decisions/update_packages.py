"""A user raises security versions: one user is enough, and nothing but versions changes (contract 1.10)."""

from datetime import datetime

from coordinator.decisions.approvals import milliseconds
from coordinator.decisions.decision import Decision
from coordinator.decisions.errors import PackageUpdateRefused
from coordinator.decisions.update_manifest import Materials, make_shared
from coordinator.decisions.update_request import clear_way
from coordinator.decisions.users import find_user, require
from coordinator.manifest.model import Action, User
from coordinator.manifest.package_update import PackageUpdate
from coordinator.manifest.security_version import PLATFORMS, security_version
from coordinator.secrets.generate import Entropy
from coordinator.state.events import Event, PackagesRaised
from coordinator.state.model import Deployment, State
from coordinator.state.phase import Ask
from coordinator.state.replay import issued_event


def check_package_update(
    state: State, leaf: bytes, update: PackageUpdate, *, now: datetime
) -> tuple[User, Deployment, tuple[Event, ...]]:
    """Who raises the versions of what; the events that end an update whose time is over.

    Raises WrongPhase, UpdatePending, UnknownUser, NotPermitted, PackageUpdateRefused.
    """
    deployment, ended = clear_way(state, Ask.UPDATE, now)
    user = find_user(deployment.manifest, leaf)
    require(user, Action.UPDATE_SECURITY_VERSION, update.versions)
    for name, version in update.versions.items():
        current = security_version(deployment.packages[name])
        if current is None:
            raise PackageUpdateRefused(
                f"package '{name}': a security version is raised where every platform is one of {PLATFORMS}; "
                "update the whole manifest"
            )
        if version < current:
            raise PackageUpdateRefused(
                f"package '{name}': a security version only rises: expected at least {current}, got {version}"
            )
    return user, deployment, ended


def update_packages(
    state: State, leaf: bytes, update: PackageUpdate, materials: Materials, *, now: datetime, entropy: Entropy
) -> Decision[str]:
    """Raise the versions, and make the shared certificates anew below the new intermediate.  The reply: the user.

    Raises what `check_package_update` raises, and TemplateInvalid.
    """
    user, deployment, ended = check_package_update(state, leaf, update, now=now)
    certificates = (
        s for s in deployment.manifest.secrets.values() if s.shared and not s.user_defined and s.type.is_certificate
    )
    event = PackagesRaised(
        time_ms=milliseconds(now),
        user=user.name,
        versions=dict(update.versions),
        authority=issued_event(materials.authority),
        secrets={s.name: make_shared(s, materials, now=now, entropy=entropy) for s in certificates},
        version=materials.version,
    )
    return Decision((*ended, event), user.name)
