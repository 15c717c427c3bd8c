"""What was the marble told before it started?  Names of environment variables, and the typed values behind them.

All of it comes from the host and is untrusted: it can make a start fail, never make a secret leave.
Source: MarbleRun contract, sections 2.7 and 2.10; the `ENCLASP_` names are ours (design.md, 3).
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, TypeAlias

from marble.errors import SettingsInvalid

# Read by the launcher.
COORDINATOR_ADDRESS: Final = "EDG_MARBLE_COORDINATOR_ADDR"
TYPE: Final = "EDG_MARBLE_TYPE"
DNS_NAMES: Final = "EDG_MARBLE_DNS_NAMES"
UUID_FILE: Final = "EDG_MARBLE_UUID_FILE"
WORKING_DIRECTORY: Final = "EDG_CWD"
LOG_FORMAT: Final = "EDG_LOG_FORMAT"
COORDINATOR_REFERENCE: Final = "ENCLASP_COORDINATOR_REFERENCE"
COORDINATOR_TRUST: Final = "ENCLASP_COORDINATOR_TRUST"
COORDINATOR_COLLATERAL: Final = "ENCLASP_COORDINATOR_COLLATERAL"
TIMEOUT: Final = "ENCLASP_MARBLE_TIMEOUT"
INIT_DATA: Final = "ENCLASP_INIT_DATA"

# Given by the coordinator to every marble.
ROOT_CA: Final = "MARBLE_PREDEFINED_ROOT_CA"
CERTIFICATE_CHAIN: Final = "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"
PRIVATE_KEY: Final = "MARBLE_PREDEFINED_PRIVATE_KEY"
COORDINATOR_ROOT_CA: Final = "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA"
TTLS_CONFIG: Final = "MARBLE_TTLS_CONFIG"
PREDEFINED: Final = (ROOT_CA, CERTIFICATE_CHAIN, PRIVATE_KEY, COORDINATOR_ROOT_CA)
RESERVED: Final = frozenset((*PREDEFINED, TTLS_CONFIG))

DEFAULT_COORDINATOR: Final = "localhost:2001"
DEFAULT_DNS_NAMES: Final = "localhost"
DEFAULT_UUID_FILE: Final = "uuid"

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_LOOPBACK: Final[tuple[IpAddress, ...]] = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))


@dataclass(frozen=True, slots=True)
class Address:
    """Where the coordinator's marble door is."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Given:
    """What a file would hold, measured with this machine.  name: where it stood."""

    name: str
    content: bytes

    def __str__(self) -> str:
        return f"{self.name} of the init-data"


@dataclass(frozen=True, slots=True)
class CoordinatorTrust:
    """What proves the coordinator to the marble.

    reference: Reference Values.  trust: root of a simulated vendor, PEM.  collateral: Endorsements.
    """

    reference: PurePath | Given
    trust: PurePath | Given | None
    collateral: PurePath | None


@dataclass(frozen=True, slots=True)
class Settings:
    """A legal start.

    dns_names, ip_addresses: subject alternative names of the marble; both loopback addresses are always among them.
    coordinator_trust: None means that nobody asked for a check (MarbleRun's way).
    timeout_seconds: for the whole activation; None waits for ever.
    """

    coordinator: Address
    marble_type: str
    dns_names: tuple[str, ...]
    ip_addresses: tuple[IpAddress, ...]
    uuid_file: PurePath
    coordinator_trust: CoordinatorTrust | None
    timeout_seconds: float | None
    json_log: bool

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the launcher's variables; an empty one counts as absent.  Raises SettingsInvalid."""
        dns_names, ip_addresses = parse_subject_names(environ.get(DNS_NAMES) or DEFAULT_DNS_NAMES)
        folder = PurePath(environ.get(WORKING_DIRECTORY) or ".")
        return cls(
            coordinator=parse_address(environ.get(COORDINATOR_ADDRESS) or DEFAULT_COORDINATOR),
            marble_type=_parse_type(environ.get(TYPE, "")),
            dns_names=dns_names,
            ip_addresses=ip_addresses,
            uuid_file=PurePath(environ.get(UUID_FILE) or folder / DEFAULT_UUID_FILE),
            coordinator_trust=_parse_trust(environ),
            timeout_seconds=_parse_timeout(environ.get(TIMEOUT, "")),
            json_log=environ.get(LOG_FORMAT) == "json",
        )


def parse_address(text: str) -> Address:
    """Read `host:port` or `[IPv6]:port`.  Raises SettingsInvalid."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    plain = port.isascii() and port.isdigit() and len(port) <= 5
    if not (colon and host and plain and 0 < int(port) < 65536) or (":" in host) != bracketed or set(host) & set("[]"):
        raise SettingsInvalid(
            "A250", f"{COORDINATOR_ADDRESS}: expected host:port, got {text!a}", "an IPv6 address stands in brackets"
        )
    return Address(host, int(port))


def parse_subject_names(text: str) -> tuple[tuple[str, ...], tuple[IpAddress, ...]]:
    """Split a comma list into DNS names and IP addresses; the loopback addresses are added.

    Names are not trimmed, as in MarbleRun; an empty one is left out.  Raises SettingsInvalid for a name
    that no certificate can hold.
    """
    dns_names: list[str] = []
    addresses: list[IpAddress] = []
    for name in filter(None, text.split(",")):
        try:
            addresses.append(ipaddress.ip_address(name))
        except ValueError:
            if not name.isascii() or not name.isprintable():
                raise SettingsInvalid(
                    "A251", f"{DNS_NAMES}: expected ASCII names, got {name!a}", "write it in punycode (xn--…)"
                ) from None
            dns_names.append(name)
    addresses += [loopback for loopback in _LOOPBACK if loopback not in addresses]
    return tuple(dict.fromkeys(dns_names)), tuple(dict.fromkeys(addresses))


def _parse_type(text: str) -> str:
    if not text or not text.isprintable():
        raise SettingsInvalid(
            "A252",
            f"{TYPE}: expected the name of a marble in the manifest, got {ascii(text) if text else 'nothing'}",
            f"set {TYPE}, or give --type",
        )
    return text


def _parse_trust(environ: Mapping[str, str]) -> CoordinatorTrust | None:
    reference, trust, collateral = (
        PurePath(environ[name]) if environ.get(name) else None
        for name in (COORDINATOR_REFERENCE, COORDINATOR_TRUST, COORDINATOR_COLLATERAL)
    )
    if reference is not None:
        return CoordinatorTrust(reference, trust, collateral)
    if trust is not None or collateral is not None:
        given = COORDINATOR_TRUST if trust is not None else COORDINATOR_COLLATERAL
        raise SettingsInvalid(
            "A253",
            f"{given} is set without {COORDINATOR_REFERENCE}: expected the coordinator's reference values",
            f"set {COORDINATOR_REFERENCE} to their file, or unset {given}",
        )
    return None


def _parse_timeout(text: str) -> float | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise SettingsInvalid("A254", f"{TIMEOUT}: expected seconds above 0, got {text!a}")
    return seconds
