"""The Coordinator's configuration: a TOML file, then environment variables over it, into one frozen `Config`.

Environment variables keep MarbleRun's names (contract 5.6); what it has no name for is `ENCLASP_…`.
An empty variable counts as unset.
"""

import re
import tomllib
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, TypeVar

from coordinator.limits import RestLimits


class ConfigInvalid(Exception):
    """The configuration is refused; the text names the setting, what was expected and what was got."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a door listens.  host: empty means all interfaces."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set.  Paths are text; empty means none.

    trust: a file with the root certificate of a simulated vendor, for a simulated coordinator; collateral: a bundle.
    evidence_days, evidence_megabytes: how long, and how much at most, admitted Evidence is kept; 0 keeps none.
    store: where the sealed state is kept, "sqlite" (in state_dir) or "kubernetes" (in Secrets named after state_name,
    which several replicas may share).
    tpm: how to reach a TPM 2.0, as tpm2-tss writes it (device:/dev/tpmrm0); tpm_pcrs: what of its boot must stay.
    witness: who remembers the last record, "tpm" or nobody; witness_index: of the TPM's NV memory, this state's own.
    pkcs11_…: library, token label, key label and file with the PIN of a token.  The manifest says whether they keep its
    state.  No variables set these: the host chooses the environment.
    setters: PEM file with certificates or keys, claim_token_sha256: in hex, of who may set the first manifest; without
    both anyone may.
    prometheus: None means off.  compatible: accept what MarbleRun accepts in a manifest.
    http_log_level: from which level on mistakes in answering HTTP requests are logged.  limits: of the front door.
    """

    client: Address = Address("", 4433)
    mesh: Address = Address("", 2001)
    prometheus: Address | None = None
    dns_names: tuple[str, ...] = ("localhost",)
    state_dir: str = "marblerun-coordinator-data"
    store: str = "sqlite"
    state_name: str = "enclasp-state"
    startup_manifest: str = ""
    collateral: str = ""
    trust: str = ""
    tpm: str = ""
    tpm_pcrs: str = "sha256:0,2,4,7"
    witness: str = ""
    witness_index: int = 0x0180_454E
    pkcs11_module: str = ""
    pkcs11_token: str = ""
    pkcs11_key: str = "enclasp-coordinator"
    pkcs11_pin_file: str = ""
    setters: str = ""
    claim_token_sha256: str = ""
    compatible: bool = False
    log_level: str = "info"
    snapshot_every: int = 4_000
    evidence_days: int = 365
    evidence_megabytes: int = 1_000
    http_log_level: str = "error"
    limits: RestLimits = field(default_factory=RestLimits)


def load(toml: bytes | None, environ: Mapping[str, str]) -> Config:
    """Read the file's bytes (None: no file) and the environment.  Raises ConfigInvalid."""
    for variable, (sentence, in_use) in _NOT_HERE.items():
        if environ.get(variable, "") in in_use:
            raise ConfigInvalid(f"{variable}={environ[variable]}: {sentence}")
    config = Config()
    if folder := environ.get("EDG_CWD", ""):
        config = replace(config, state_dir=f"{folder.rstrip('/')}/{config.state_dir}")
    if toml is not None:
        config = _from_toml(config, toml)
    for variable, (setting, parse) in _VARIABLES.items():
        if value := environ.get(variable, ""):
            config = _with(config, setting, parse(variable, value))
    if environ.get("EDG_STARTUP_MANIFEST", "") and (config.setters or config.claim_token_sha256):
        raise ConfigInvalid(
            "EDG_STARTUP_MANIFEST: the configuration says who may set a manifest, so it cannot come from the "
            "environment; expected startup_manifest in the configuration file, or none"
        )
    if config.witness and not config.tpm:
        raise ConfigInvalid("setting 'witness': expected a TPM in setting 'tpm', got none")
    if config.witness and config.store != "sqlite":
        raise ConfigInvalid(
            "setting 'witness': a TPM is one machine's, and replicas share a state on several; expected none"
        )
    if environ.get("EDG_DISTRIBUTED_COORDINATOR", "") == "1" and config.store == "sqlite":
        raise ConfigInvalid(
            "EDG_DISTRIBUTED_COORDINATOR=1: expected EDG_STORE_BACKEND=kubernetes, which replicas share, got a state"
            " in one directory"
        )
    return config


def _from_toml(config: Config, raw: bytes) -> Config:
    try:
        document = tomllib.loads(raw.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigInvalid(f"configuration file: expected TOML, got: {error}") from error
    known = {field.name for field in fields(Config)}
    for key, value in document.items():
        if key not in known:
            raise ConfigInvalid(f"configuration file: unknown setting '{key}'; known: {', '.join(sorted(known))}")
        config = _with(config, key, _setting(key, value))
    return config


def _with(config: Config, setting: str, value: object) -> Config:
    changed: dict[str, Any] = {setting: value}
    return replace(config, **changed)


def _setting(key: str, value: object) -> object:
    if key == "limits":
        return _limits(_expect(key, value, dict))
    if key in ("log_level", "http_log_level"):
        return _level(key, _expect(key, value, str))
    if key in ("client", "mesh", "prometheus"):
        return _address(key, _expect(key, value, str))
    if key == "dns_names":
        names = _expect(key, value, list)
        return tuple(_expect(key, name, str) for name in names)
    if key == "compatible":
        return _expect(key, value, bool)
    if key == "store":
        return _store(key, _expect(key, value, str))
    if key == "state_name":
        return _object_name(key, _expect(key, value, str))
    if key == "snapshot_every":
        return _whole(key, _expect(key, value, int), least=1)
    if key == "witness":
        return _witness(key, _expect(key, value, str))
    if key == "witness_index":
        return _nv_index(key, _expect(key, value, int))
    if key in ("evidence_days", "evidence_megabytes"):
        return _whole(key, _expect(key, value, int), least=0)
    return _expect(key, value, str)


def _limits(table: Mapping[str, object]) -> RestLimits:
    limits = RestLimits()
    known = {field.name: type(getattr(limits, field.name)) for field in fields(RestLimits)}
    for key, value in table.items():
        name = f"limits.{key}"
        if key not in known:
            raise ConfigInvalid(f"configuration file: unknown setting '{name}'; known: {', '.join(sorted(known))}")
        number = value if known[key] is float and type(value) is float else _expect(name, value, int)
        if not 0 < number < _LARGEST:
            raise ConfigInvalid(f"setting '{name}': expected a number above 0, got {number}")
        changed: dict[str, Any] = {key: known[key](number)}
        limits = replace(limits, **changed)
    return limits


_T = TypeVar("_T")


def _expect(key: str, value: object, kind: type[_T]) -> _T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigInvalid(f"setting '{key}': expected {kind.__name__}, got {type(value).__name__}")
    return value


def _whole(key: str, value: int, *, least: int) -> int:
    if value < least:
        raise ConfigInvalid(f"setting '{key}': expected a whole number from {least}, got {value}")
    return value


def _address(name: str, text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigInvalid(f"{name}: expected HOST:PORT or :PORT, got '{text}'")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def _names(name: str, text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise ConfigInvalid(f"{name}: expected names separated by commas, got '{text}'")
    return names


def _store(name: str, text: str) -> str:
    stores = {"sqlite": "sqlite", "kubernetes": "kubernetes", "k8s-secret": "kubernetes"}
    if text not in stores:
        raise ConfigInvalid(f"{name}: expected {', '.join(stores)} (MarbleRun's word for kubernetes), got '{text}'")
    return stores[text]


def _witness(name: str, text: str) -> str:
    if text not in ("", "tpm"):
        raise ConfigInvalid(f"{name}: expected tpm, or nothing, got '{text}'")
    return text


def _nv_index(name: str, number: int) -> int:
    """TCG Registry of Reserved TPM 2.0 Handles and Localities, 2.2.2: of the owner's NV indices."""
    if not 0x0180_0000 <= number <= 0x01BF_FFFF:
        raise ConfigInvalid(f"setting '{name}': expected a number from 0x01800000 to 0x01bfffff, got {number:#010x}")
    return number


def _object_name(name: str, text: str) -> str:
    """A name of a Kubernetes object, with room for what we put behind it (RFC 1123 label, at most 63 characters)."""
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?", text):
        expected = "at most 30 characters a-z, 0-9 and -, a letter or digit first and last"
        raise ConfigInvalid(f"{name}: expected {expected}, got '{text}'")
    return text


def _text(name: str, text: str) -> str:
    return text


def _switch(name: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise ConfigInvalid(f"{name}: expected 0 or 1, got '{text}'")
    return text == "1"


def _level(name: str, text: str) -> str:
    if text not in _LEVELS:
        raise ConfigInvalid(f"{name}: expected {', '.join(_LEVELS)}, got '{text}'")
    return "warning" if text == "warn" else text


def _debug(name: str, text: str) -> str:
    return "debug" if _switch(name, text) else "info"


_LEVELS: Final = ("debug", "info", "warn", "warning", "error")
_LARGEST: Final = 2**40
_VARIABLES: Final[Mapping[str, tuple[str, Callable[[str, str], object]]]] = {
    "EDG_COORDINATOR_CLIENT_ADDR": ("client", _address),
    "EDG_COORDINATOR_MESH_ADDR": ("mesh", _address),
    "EDG_COORDINATOR_PROMETHEUS_ADDR": ("prometheus", _address),
    "EDG_COORDINATOR_DNS_NAMES": ("dns_names", _names),
    "EDG_COORDINATOR_SEAL_DIR": ("state_dir", _text),
    "EDG_STORE_BACKEND": ("store", _store),
    "EDG_K8S_STATE_NAME": ("state_name", _object_name),
    "EDG_STARTUP_MANIFEST": ("startup_manifest", _text),
    "EDG_COORDINATOR_DEV_MODE": ("log_level", _debug),
    "EDG_DEBUG_LOGGING": ("log_level", _debug),
    "EDG_HTTP_ERROR_LOG_LEVEL": ("http_log_level", _level),
    "ENCLASP_COLLATERAL": ("collateral", _text),
    "ENCLASP_TRUST": ("trust", _text),
    "ENCLASP_COMPATIBLE": ("compatible", _switch),
}
"""What is read, in MarbleRun's names and ours (contract 5.6).  The later of two for one setting wins."""

_ON: Final = ("1",)
_NOT_HERE: Final[Mapping[str, tuple[str, Container[str]]]] = {
    "OE_SIMULATION": (
        "there is no mode that accepts any evidence; `coordinator run --dev` has simulated hardware that is verified",
        _ON,
    ),
}
"""What MarbleRun's variables ask for and this version does not do: to go on in silence would be another deployment."""
