"""What may be demanded of an Arm CCA realm and its platform?  Claims, Reference Values, and how they compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from attestation import codes as common
from attestation.cca.codes import COMPONENT, PLATFORM
from attestation.cca.format import SoftwareComponent, Token
from attestation.cca.steps import settled
from attestation.checks import Check
from attestation.claims import Claims, TcbStatus, source_of
from attestation.kinds import Kind

_SECURED: Final = "secured (0x3000 to 0x30ff)"


@dataclass(frozen=True, slots=True)
class CcaClaims(Claims):
    """Claims of a realm and its platform.  components: the firmware that the platform has loaded."""

    components: tuple[SoftwareComponent, ...] = ()


def claims_of(token: Token) -> CcaClaims:
    """What a token says.

    debuggable: the platform is in any state but `secured`, so its owner can look into realms.  Arm publishes no patch
    levels: tcb_status is NotApplicable, and the components' measurements stand for it.
    """
    platform, realm = token.platform, token.realm
    details: dict[str, str | int | bool] = {
        "profile": platform.profile,
        "realm_profile": realm.profile or "legacy",
        "hash_algorithm": realm.hash_algorithm,
        "rpv": realm.personalization.hex(),
        "challenge": realm.challenge.hex(),
        "implementation_id": platform.implementation_id.hex(),
        "instance_id": platform.instance_id.hex(),
        "lifecycle": f"0x{platform.lifecycle:04x}",
        "lifecycle_state": platform.lifecycle_name,
        "config": platform.configuration.hex(),
        "software_components": "; ".join(map(str, platform.components)),
    }
    if platform.verification_service:
        details["verification_service"] = platform.verification_service
    return CcaClaims(
        kind=Kind.CCA,
        debuggable=not platform.secured,
        report_data=realm.challenge,
        measurements={"rim": realm.rim, **{f"rem{i}": rem for i, rem in enumerate(realm.rems)}},
        tcb_status=TcbStatus.NOT_APPLICABLE,
        advisories=(),
        tcb_date=None,
        hardware_id=platform.instance_id.hex(),
        details=details,
        components=platform.components,
    )


@dataclass(frozen=True, slots=True)
class ComponentReference:
    """What is demanded of each component of one type, of which there must be one.  None: not demanded."""

    measurement: bytes | None = None
    signer_id: bytes | None = None
    version: str | None = None

    def accepts(self, component: SoftwareComponent) -> bool:
        """Whether every demand is met."""
        return (
            self.measurement in (None, component.measurement)
            and self.signer_id in (None, component.signer_id)
            and self.version in (None, component.version)
        )

    def __str__(self) -> str:
        named = {"version": self.version, "measurement": _hex(self.measurement), "signer": _hex(self.signer_id)}
        return " ".join(f"{name} {value}" for name, value in named.items() if value) or "any"


@dataclass(frozen=True, slots=True)
class CcaReferenceValues:
    """What a manifest demands of a realm and its platform.  None: not demanded.

    rim: the realm's initial measurement, which names the program; without it nothing is met.
    rems: number (0 to 3) to value.  rpv: 64 bytes.  config: exact bytes.  implementation_id: 32 bytes.
    instance_ids: the machines that may run it, 33 bytes each; None for all.
    components: type to demand; components_only: no component of another type may be there.
    debug: must equal the platform's state: only `secured` has no debug.
    sources: field name (`rem0`, `component.RMM`), or "" for the whole, to where the demand stands.
    """

    rim: bytes | None = None
    rems: Mapping[int, bytes] = field(default_factory=dict)
    rpv: bytes | None = None
    implementation_id: bytes | None = None
    instance_ids: frozenset[bytes] | None = None
    config: bytes | None = None
    components: Mapping[str, ComponentReference] = field(default_factory=dict)
    components_only: bool = False
    debug: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """CCA."""
        return Kind.CCA

    def appraise(self, claims: Claims) -> tuple[Check, ...]:
        """Every demand with its outcome."""
        return (
            *self._measurements(claims),
            self._lifecycle(claims),
            *self._platform(claims),
            *self._components(claims.components if isinstance(claims, CcaClaims) else ()),
        )

    def _measurements(self, claims: Claims) -> tuple[Check, ...]:
        demands = {"rim": self.rim, **{f"rem{i}": value for i, value in sorted(self.rems.items())}}
        checks = []
        for name, wanted in demands.items():
            if wanted is not None:
                found, source = claims.measurements.get(name), source_of(self.sources, name)
                words = "none" if found is None else found.hex()
                checks.append(settled(found == wanted, f"cca.{name}", wanted.hex(), words, source, common.MEASUREMENT))
        if self.rim is None:
            source, expected = source_of(self.sources, ""), "a demand on the realm's initial measurement (RIM)"
            checks.append(settled(False, "cca.identity", expected, "none", source, common.NOTHING_DEMANDED))
        return tuple(checks)

    def _lifecycle(self, claims: Claims) -> Check:
        expected = f"not {_SECURED}" if self.debug else _SECURED
        found = f"{claims.details.get('lifecycle_state')} ({claims.details.get('lifecycle')})"
        holds, source = claims.debuggable is self.debug, source_of(self.sources, "debug")
        return settled(holds, "cca.lifecycle", expected, found, source, common.DEBUG)

    def _platform(self, claims: Claims) -> tuple[Check, ...]:
        demands: dict[str, tuple[str, tuple[bytes, ...] | None]] = {
            "rpv": ("rpv", _alone(self.rpv)),
            "implementation_id": ("implementation_id", _alone(self.implementation_id)),
            "instance_ids": ("instance_id", None if self.instance_ids is None else tuple(sorted(self.instance_ids))),
            "config": ("config", _alone(self.config)),
        }
        checks = []
        for name, (claim, wanted) in demands.items():
            if wanted is not None:
                expected = " or ".join(value.hex() for value in wanted) or "no platform at all"
                found, source = str(claims.details.get(claim)), source_of(self.sources, name)
                holds = any(value.hex() == found for value in wanted)
                checks.append(settled(holds, f"cca.{claim.replace('_', '-')}", expected, found, source, PLATFORM))
        return tuple(checks)

    def _components(self, components: tuple[SoftwareComponent, ...]) -> tuple[Check, ...]:
        checks = []
        for kind, wanted in sorted(self.components.items()):
            name = f"component.{kind}"
            named = [component for component in components if component.kind == kind]
            holds = bool(named) and all(map(wanted.accepts, named))
            found = "; ".join(map(str, named)) or "none of this type"
            checks.append(settled(holds, f"cca.{name}", str(wanted), found, source_of(self.sources, name), COMPONENT))
        if self.components_only:
            others = sorted({c.kind or "unnamed" for c in components if c.kind not in self.components})
            expected = f"only {', '.join(sorted(self.components)) or 'none'}"
            found, source = ", ".join(others) or "no other", source_of(self.sources, "components_only")
            checks.append(settled(not others, "cca.components", expected, found, source, COMPONENT))
        return tuple(checks)


def _alone(value: bytes | None) -> tuple[bytes, ...] | None:
    return None if value is None else (value,)


def _hex(value: bytes | None) -> str:
    return "" if value is None else value.hex()
