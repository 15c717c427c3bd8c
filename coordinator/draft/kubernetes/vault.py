"""The secrets that an application uses, each once, under a name of its own.  No value of one is ever kept."""

from hashlib import sha256

from coordinator.draft.kubernetes.secretive import can_be_made
from coordinator.draft.model import Key, Secret, Upload
from coordinator.draft.names import secret_name, unused


class Vault:
    """Secrets by where they come from: a key of a Kubernetes Secret, or a value that stood in the open."""

    def __init__(self) -> None:
        self._secrets: dict[object, Secret] = {}
        self._names: set[str] = set()

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All of them, in the order in which they were met."""
        return tuple(self._secrets.values())

    def of_key(self, namespace: str, name: str, key: str) -> Secret:
        """The secret that stands for a key of a Kubernetes Secret."""
        note = f"Key {key} of Secret {name}"
        return self._secret((namespace, name, key), (name, key), f"{name}-{key}", note)

    def of_value(self, value: str, name: str, where: str) -> Secret:
        """The secret that stands for a value in the open; the same value is the same secret."""
        note = f"Stood in the open, as {name} at {where}"
        return self._secret(sha256(value.encode()).digest(), (name,), name, note)

    def _secret(self, origin: object, parts: tuple[str, ...], name: str, note: str) -> Secret:
        known = self._secrets.get(origin)
        if known is None:
            chosen = unused(secret_name(*parts), self._names)
            self._names.add(chosen)
            known = (
                Key(chosen, (f"{note}. A new value is made: set up anew what was set up with the old one.",))
                if can_be_made(name)
                else Upload(chosen, (f"{note}. It comes from outside: enclasp secret set {chosen}",))
            )
            self._secrets[origin] = known
        return known


def in_variable(secret: Secret) -> str:
    """The template of its value as text, for a variable."""
    return f"{{{{ {'string' if isinstance(secret, Upload) else 'hex'} .Secrets.{secret.name} }}}}"


def in_file(secret: Secret) -> str:
    """The template of its value for a file: the same text as in a variable."""
    return f"{{{{ {'raw' if isinstance(secret, Upload) else 'hex'} .Secrets.{secret.name} }}}}"
