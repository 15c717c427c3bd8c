"""What users do with secrets, and who a caller is."""

from collections.abc import Mapping, Sequence

from coordinator.decisions.errors import UnknownUser
from coordinator.decisions.read_secrets import read_secrets
from coordinator.decisions.users import find_user
from coordinator.decisions.write_secrets import write_secrets
from coordinator.desk import Desk
from coordinator.manifest.template.values import SecretValue
from coordinator.wire.secrets import UserSecret


class People:
    """Requests of users."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def check_user(self, leaf: bytes | None) -> bytes:
        """The certificate that the connection proved (DER), if a user of the manifest has it.

        A Coordinator without a manifest knows nobody, and says in which phase it is when it is asked for something.
        Raises UnknownUser, NotServing.
        """
        self._desk.check_serving()
        if leaf is None:
            raise UnknownUser("no client certificate was shown")
        deployment = self._desk.state.deployment
        if deployment is not None:
            find_user(deployment.manifest, leaf)
        return leaf

    def known_user(self, leaf: bytes | None) -> bytes:
        """The same where a detached signature may speak instead: empty if the connection shows no user.

        Raises NotServing.
        """
        try:
            return self.check_user(leaf)
        except UnknownUser:
            return b""

    def read_secrets(self, leaf: bytes, names: Sequence[str]) -> Mapping[str, SecretValue]:
        """Values of secrets for a user.  Raises WrongPhase, UnknownUser, NotPermitted, NotServing."""
        self._desk.check_serving()
        values = read_secrets(self._desk.state, leaf, names)
        self._desk.env.observer.info("secrets read", user=self._name(leaf), secrets=[*values])
        return values

    async def write_secrets(self, leaf: bytes, given: Mapping[str, UserSecret]) -> None:
        """Set user-defined secrets.  Raises WrongPhase, UnknownUser, NotPermitted, SecretRefused, NotServing."""
        desk = self._desk
        desk.check_serving()
        decision = write_secrets(desk.state, leaf, given, now=desk.env.clock())
        user, names = self._name(leaf), [*decision.reply]
        written = desk.enact(decision.events)
        desk.say_when(written, lambda: desk.env.observer.info("secrets set", user=user, secrets=names))
        await desk.durable(written)

    def _name(self, leaf: bytes) -> str:
        return find_user(self._desk.state.deployed.manifest, leaf).name
