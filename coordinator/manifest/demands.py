"""What Reference Values of a platform demand, one by one, under the names that the manifest has for them.

`explain` says them, `diff` compares them: each rule knows which of two demands lets more in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from attestation.claims import ReferenceValues
from attestation.kinds import Kind


class Rule(Enum):
    """How a demand is met: exactly, by at least a value, by one of several, by having all, by a switch."""

    EXACT = auto()
    AT_LEAST = auto()
    ONE_OF = auto()
    HAS_ALL = auto()
    ON = auto()


@dataclass(frozen=True, slots=True)
class Demand:
    """key: name in the manifest (`PCR0`, `MinimumTCB.SNP`).  value: None, an empty set or False demands nothing.

    is_identity: it names the program, not the platform.  text: of the value, where its own form is not for people.
    """

    key: str
    rule: Rule
    value: Any
    is_identity: bool = False
    text: str = ""

    @property
    def shown(self) -> str:
        """The value for people."""
        if self.text or not self.is_given:
            return self.text or "anything"
        if self.rule in (Rule.ONE_OF, Rule.HAS_ALL):
            return ", ".join(sorted(_short(value) for value in self.value)) or "none"
        return "demanded" if self.rule is Rule.ON else _short(self.value)

    @property
    def is_given(self) -> bool:
        """Whether anything is demanded."""
        if self.rule in (Rule.HAS_ALL, Rule.ON):
            return bool(self.value)
        return self.value is not None


def demands(values: ReferenceValues) -> tuple[Demand, ...]:
    """Every demand of a platform's values but those of SGX and TDX, which have their own words; given or not."""
    return tuple(_READERS[values.kind](values)) if values.kind in _READERS else ()


def section(kind: Kind) -> str:
    """The key of a package's section for a platform."""
    return _SECTIONS[kind]


def _sev_snp(values: Any) -> Iterator[Demand]:
    yield Demand("Measurement", Rule.EXACT, values.measurement, True)
    yield Demand("IDKeyDigest", Rule.EXACT, values.id_key_digest, True)
    yield Demand("AuthorKeyDigest", Rule.EXACT, values.author_key_digest, True)
    yield Demand("HostData", Rule.EXACT, values.host_data, True)
    yield Demand("FamilyID", Rule.EXACT, values.family_id, True)
    yield Demand("ImageID", Rule.EXACT, values.image_id, True)
    yield Demand("GuestSVN", Rule.AT_LEAST, values.guest_svn)
    yield Demand("VMPL", Rule.EXACT, values.vmpl)
    yield Demand("no Debug", Rule.ON, not values.debug)
    yield Demand("no MigrateMA", Rule.ON, not values.migration_agent)
    yield Demand("no SMT", Rule.ON, not values.smt)
    yield Demand("SingleSocket", Rule.ON, values.single_socket)
    yield Demand("PlatformInfo", Rule.HAS_ALL, values.platform_flags)
    for key, least in (("MinimumTCB", values.minimum_tcb), ("MinimumLaunchTCB", values.minimum_launch_tcb)):
        for component in ("bootloader", "tee", "snp", "microcode", "fmc"):
            yield Demand(f"{key}.{component}", Rule.AT_LEAST, least.get(component))
    yield Demand("ChipIDs", Rule.ONE_OF, values.chip_ids)
    yield Demand("Products", Rule.ONE_OF, values.products)
    yield Demand("SigningKeys", Rule.ONE_OF, values.signing_keys)
    yield Demand("RequireRevocationList", Rule.ON, values.revocation)


def _nitro(values: Any) -> Iterator[Demand]:
    for number in range(32):
        yield Demand(f"PCR{number}", Rule.EXACT, values.pcrs.get(number), True)
    yield Demand("UserData", Rule.EXACT, values.user_data)
    yield Demand("Nonce", Rule.EXACT, values.nonce)
    yield Demand("PublicKey", Rule.EXACT, values.public_key)
    age = values.max_age
    youngest, text = (None, "") if age is None else (-age, f"{int(age.total_seconds())} seconds")
    yield Demand("MaxAge", Rule.AT_LEAST, youngest, text=text)
    yield Demand("no Debug", Rule.ON, not values.debug)


def _cca(values: Any) -> Iterator[Demand]:
    yield Demand("RIM", Rule.EXACT, values.rim, True)
    for number in range(4):
        yield Demand(f"REM{number}", Rule.EXACT, values.rems.get(number), True)
    yield Demand("RPV", Rule.EXACT, values.rpv)
    yield Demand("ImplementationID", Rule.EXACT, values.implementation_id)
    yield Demand("InstanceIDs", Rule.ONE_OF, values.instance_ids)
    yield Demand("Config", Rule.EXACT, values.config)
    yield Demand("Components", Rule.HAS_ALL, frozenset(f"{kind} {what}" for kind, what in values.components.items()))
    yield Demand("ComponentsOnly", Rule.ON, values.components_only)
    yield Demand("no Debug", Rule.ON, not values.debug)


def _nvidia_gpu(values: Any) -> Iterator[Demand]:
    yield Demand("RIMs", Rule.ON, values.rims)
    for number in range(64):
        yield Demand(f"Measurements.{number}", Rule.EXACT, values.measurements.get(number), True)
    for key, allowed in (("Drivers", values.drivers), ("VBIOSes", values.vbioses), ("Models", values.models)):
        yield Demand(key, Rule.ONE_OF, frozenset(allowed) or None)
    yield Demand("Devices", Rule.ONE_OF, frozenset(values.devices) or None)
    yield Demand("MinimumDriver", Rule.AT_LEAST, *_version(values.minimum_driver, 10))
    yield Demand("MinimumVBIOS", Rule.AT_LEAST, *_version(values.minimum_vbios, 16))
    yield Demand("CCMode", Rule.EXACT, values.cc_mode)
    yield Demand("ProtectedPCIe", Rule.EXACT, values.protected_pcie)
    yield Demand("RequireRevocation", Rule.ON, values.revocation)
    yield Demand("no AcceptNRAS", Rule.ON, not values.nras)
    yield Demand("no Debug", Rule.ON, not values.debug)


def _azure_vtpm(values: Any) -> Iterator[Demand]:
    for number in range(24):
        yield Demand(f"PCR{number}", Rule.EXACT, values.pcrs.get(number), True)
    yield Demand("SecureBoot", Rule.EXACT, values.secure_boot)
    yield Demand("VMID", Rule.EXACT, values.vm_id)
    yield Demand("UserData", Rule.EXACT, values.user_data)


def _version(text: str | None, base: int) -> tuple[tuple[int, ...] | None, bool, str]:
    """Numbers that compare as versions do, and the rest of a Demand."""
    return (None, False, "") if text is None else (tuple(int(part, base) for part in text.split(".")), False, text)


def _short(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return f"{text[:8]}…{text[-4:]}" if len(text) > _LONGEST else text


_LONGEST: Final = 24
_READERS: Final = {
    Kind.SEV_SNP: _sev_snp,
    Kind.NITRO: _nitro,
    Kind.CCA: _cca,
    Kind.NVIDIA_GPU: _nvidia_gpu,
    Kind.AZURE_VTPM: _azure_vtpm,
}
_SECTIONS: Final = {
    Kind.SGX: "SGX",
    Kind.TDX: "TDX",
    Kind.SEV_SNP: "SEVSNP",
    Kind.NITRO: "Nitro",
    Kind.CCA: "CCA",
    Kind.NVIDIA_GPU: "NvidiaGPU",
    Kind.AZURE_VTPM: "AzureVTPM",
    Kind.COMPOSITE: "AllOf",
}
