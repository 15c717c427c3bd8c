"""The Coordinator's configuration: a TOML file, then environment variables over it, into one frozen `Config`.

Environment variables keep MarbleRun's names (contract 5.6); what it has no name for is `ENCLASP_…`.
An empty variable counts as unset.  Both are the host's; what init-data says, which the hardware measures, stands above
them: there the host can add nothing to what matters for trust, and contradict nothing.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from attestation.init_data import InitData, InitDataInvalid, read_toml
from coordinator.limits import RestLimits
from marble.settings import Given

ENTRY: Final = "enclasp-coordinator.toml"
"""The text of an init-data document that is a coordinator's configuration."""
File: TypeAlias = str | Given
"""A path, or what the file would hold, measured with this machine."""


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

    told: the init-data that this machine was started with; None for none.
    trust: a file with the root certificate of a simulated vendor, for a simulated coordinator; collateral: a bundle.
    evidence_days, evidence_megabytes: how long, and how much at most, admitted Evidence is kept; 0 keeps none.
    store: where the sealed state is kept, "sqlite" (in state_dir) or "kubernetes" (in Secrets named after state_name,
    which several replicas may share).
    tpm: how to reach a TPM 2.0, as tpm2-tss writes it (device:/dev/tpmrm0); tpm_pcrs: what of its boot must stay.
    witness: who remembers the last record, "tpm" or nobody; witness_index: of the TPM's NV memory, this state's own.
    pkcs11_…: library, token label, key label and file with the PIN of a token.  The manifest says whether they keep its
    state.  No variables set these: the host chooses the environment.
    setters: PEM with certificates or keys, claim_token_sha256: in hex, of who may set the first manifest; without
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
    startup_manifest: File = ""
    collateral: str = ""
    trust: File = ""
    tpm: str = ""
    tpm_pcrs: str = "sha256:0,2,4,7"
    witness: str = ""
    witness_index: int = 0x0180_454E
    pkcs11_module: str = ""
    pkcs11_token: str = ""
    pkcs11_key: str = "enclasp-coordinator"
    pkcs11_pin_file: str = ""
    setters: File = ""
    claim_token_sha256: str = ""
    compatible: bool = False
    log_level: str = "info"
    snapshot_every: int = 4_000
    evidence_days: int = 365
    evidence_megabytes: int = 1_000
    http_log_level: str = "error"
    limits: RestLimits = field(default_factory=RestLimits)
    told: InitData | None = None

    @property
    def measured(self) -> bool:
        """Whether the machine's Evidence holds the digest of what matters for trust."""
        return self.told is not None and ENTRY in self.told.data


def load(
    toml: bytes | None, environ: Mapping[str, str], told: InitData | None = None, *, name: str = "configuration file"
) -> Config:
    """Read the file's bytes (None: no file), the environment, and what was told at launch.  name: the file's.

    Raises ConfigInvalid.
    """
    for variable, (sentence, in_use) in _NOT_HERE.items():
        if environ.get(variable, "") in in_use:
            raise ConfigInvalid(f"{variable}={environ[variable]}: {sentence}")
    config = Config(told=told)
    if folder := environ.get("EDG_CWD", ""):
        config = replace(config, state_dir=f"{folder.rstrip('/')}/{config.state_dir}")
    given: dict[str, Any] = {} if toml is None else _from_toml(toml, name)
    for variable, (setting, parse) in _VARIABLES.items():
        if value := environ.get(variable, ""):
            given[setting] = parse(variable, value)
    if (measured := measured_settings(told)) is not None:
        _check_agreed(given, measured)
        given |= measured
    config = replace(config, **given)
    if measured is None and environ.get("EDG_STARTUP_MANIFEST", "") and (config.setters or config.claim_token_sha256):
        raise ConfigInvalid(
            "EDG_STARTUP_MANIFEST: the configuration says who may set a manifest, so it cannot come from the "
            "environment; expected startup_manifest in the configuration file, or none"
        )
    if config.witness and not config.tpm:
        raise ConfigInvalid("setting 'witness': expected a TPM in setting 'tpm', got none")
    if config.witness and config.store != "sqlite":
        raise ConfigInvalid(
            "setting 'witness': a TPM is one machine's, and replicas share a state on several; expected none: they "
            "remember for each other"
        )
    if config.store == "sqlite" and (asked := _asks_for_replicas(environ)):
        raise ConfigInvalid(
            f"{asked}: expected EDG_STORE_BACKEND=kubernetes, which replicas share, got a state in one directory"
        )
    return config


def _asks_for_replicas(environ: Mapping[str, str]) -> str:
    """The variable that does, with its value (contract 5.5); empty where none does."""
    features = environ.get("EDG_ENTERPRISE_LICENSED_FEATURES", "")
    if "distributedcoordinator" in features.lower():
        return f"EDG_ENTERPRISE_LICENSED_FEATURES={features}"
    return "EDG_DISTRIBUTED_COORDINATOR=1" if environ.get("EDG_DISTRIBUTED_COORDINATOR", "") == "1" else ""


def measured_settings(told: InitData | None) -> dict[str, Any] | None:
    """What init-data says of a coordinator's configuration; None if it says nothing of one.

    A file that is a text of the document, under the name that the setting has for it, is `Given`.
    Raises ConfigInvalid.
    """
    if told is None or ENTRY not in told.data:
        return None
    settings = _from_toml(told.data[ENTRY].encode(), f"init-data: {ENTRY}")
    for setting in FILES & settings.keys():
        name = str(settings[setting])
        if name and name not in told.data:
            raise ConfigInvalid(
                f"init-data: {ENTRY}: setting '{setting}': expected the name of another text of the init-data, got "
                f"'{name}'; texts: {', '.join(sorted(told.data))}"
            )
        settings[setting] = Given(name, told.data[name].encode()) if name else ""
    return settings


def files_of(toml: str) -> frozenset[str]:
    """Names of the files that belong to a configuration and can travel with it.  Raises ConfigInvalid."""
    settings = _from_toml(toml.encode(), "configuration file")
    return frozenset(name for setting in FILES if (name := settings.get(setting, "")))


def content(file: File) -> bytes:
    """What a file holds.  Raises OSError."""
    return file.content if isinstance(file, Given) else Path(file).read_bytes()


def _check_agreed(given: Mapping[str, object], measured: Mapping[str, object]) -> None:
    """Does the host say what the measured configuration says, or nothing?  Raises ConfigInvalid."""
    for setting, value in given.items():
        if setting not in measured and setting not in FOR_TRUST:
            continue
        agreed = measured.get(setting, getattr(Config(), setting))
        if value != (agreed.name if isinstance(agreed, Given) else agreed):
            says = f"says {_shown(agreed)}" if setting in measured else "does not set it"
            raise ConfigInvalid(
                f"setting '{setting}': the host gives {_shown(value)}, and the measured configuration {says}; take it "
                f"out of file and environment, or have it measured (init-data, {ENTRY})"
            )


def _shown(value: object) -> str:
    return f"'{value.name if isinstance(value, Given) else value}'"


def _from_toml(raw: bytes, where: str) -> dict[str, Any]:
    """Raises ConfigInvalid."""
    try:
        document = read_toml(raw.decode("utf-8"), where)
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{where}: expected TOML, got: {error}") from error
    except InitDataInvalid as error:
        raise ConfigInvalid(str(error)) from error
    settings = {}
    for key, value in document.items():
        if key not in _SETTINGS:
            raise ConfigInvalid(f"{where}: {_unknown(key, _SETTINGS)}")
        try:
            settings[key] = _setting(key, value)
        except ConfigInvalid as error:
            raise ConfigInvalid(f"{where}: {error}") from error
    return settings


def _unknown(setting: str, known: Iterable[str]) -> str:
    near = get_close_matches(setting, known, 1)
    guess = f"did you mean '{near[0]}'? " if near else ""
    return f"unknown setting '{setting}'; {guess}known: {', '.join(sorted(known))}"


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
            raise ConfigInvalid(_unknown(name, [f"limits.{other}" for other in known]))
        number = value if known[key] is float and type(value) is float else _expect(name, value, int)
        if not 0 < number < _LARGEST:
            raise ConfigInvalid(f"setting '{name}': expected a number above 0, got {number}")
        changed: dict[str, Any] = {key: known[key](number)}
        limits = replace(limits, **changed)
    return limits


_T = TypeVar("_T")
_IN_TOML: Final[Mapping[type, str]] = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def _expect(key: str, value: object, kind: type[_T]) -> _T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigInvalid(f"setting '{key}': expected {_IN_TOML[kind]}, got {_IN_TOML.get(type(value), 'a date')}")
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


_SETTINGS: Final = frozenset(field.name for field in fields(Config)) - {"told"}
FILES: Final = frozenset({"setters", "startup_manifest", "trust"})
"""Settings whose file travels in init-data beside the configuration."""
FOR_TRUST: Final = FILES | {
    "claim_token_sha256",
    "compatible",
    "pkcs11_key",
    "pkcs11_module",
    "pkcs11_pin_file",
    "pkcs11_token",
    "tpm",
    "tpm_pcrs",
    "witness",
    "witness_index",
}
"""Settings that are the measured configuration's alone, where there is one: what it does not set is not set."""
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
