"""What may be demanded of a SEV-SNP guest?  Claims, Reference Values, and how they compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from attestation import codes as shared
from attestation.checks import Check
from attestation.claims import Claims, TcbPolicy, TcbStatus, source_of
from attestation.kinds import Kind
from attestation.sev_snp import codes
from attestation.sev_snp.certificate import EndorsedPlatform
from attestation.sev_snp.format import PLATFORM_BITS, POLICY_BITS, Report, SigningKey, names_of
from attestation.sev_snp.steps import settled
from attestation.sev_snp.tcb import Product, components, product_of_cpuid


def claims_of(report: Report, platform: EndorsedPlatform | None, *, revocation_checked: bool) -> Claims:
    """What a report says, and what AMD says of its machine (None: no certificate told it).

    AMD publishes no list of statuses: the certificate is for exactly one patch level, so a report whose reported TCB
    is the certificate's is UpToDate, and what is too old is for `minimum_tcb` in the Reference Values to say.
    hardware_id: the chip id, from the certificate where the host masks it in the report; empty for a VLEK without.
    """
    product = product_in(report, platform)
    details: dict[str, str | int | bool] = {
        "report_version": report.version,
        "product": product.value,
        "guest_svn": report.guest_svn,
        "vmpl": report.vmpl,
        "policy": hex(report.policy),
        "policy_flags": " ".join(n for n in names_of(report.policy >> 16 << 16, POLICY_BITS) if n != "bit-17"),
        "minimum_abi": f"{report.policy >> 8 & 0xFF}.{report.policy & 0xFF}",
        "platform_info": hex(report.platform_info),
        "platform_flags": " ".join(names_of(report.platform_info, PLATFORM_BITS)),
        "signing_key": report.signing_key.name if isinstance(report.signing_key, SigningKey) else "reserved",
        "author_key": bool(report.key_flags & 1),
        "report_id": report.report_id.hex(),
        "report_id_ma": report.report_id_ma.hex(),
        "chip_id": report.chip_id.hex(),
        "current_tcb": report.current_tcb.hex(),
        "reported_tcb": report.reported_tcb.hex(),
        "committed_tcb": report.committed_tcb.hex(),
        "launch_tcb": report.launch_tcb.hex(),
        "current_firmware": _version(report.builds[0]),
        "committed_firmware": _version(report.builds[1]),
        "revocation_checked": revocation_checked,
    }
    for which, tcb in _tcbs(report).items():
        details |= {f"{which}_{name}_svn": svn for name, svn in components(tcb, product).items()}
    if report.cpuid is not None:
        details["cpuid"] = "family {:#x} model {:#x} stepping {:#x}".format(*report.cpuid)
    if report.mitigations is not None:
        details["launch_mitigations"], details["current_mitigations"] = (hex(v) for v in report.mitigations)
    if platform is not None and platform.csp_id:
        details["csp_id"] = platform.csp_id
    chip = platform.hwid if platform is not None and platform.hwid else report.chip_id
    return Claims(
        kind=Kind.SEV_SNP,
        debuggable=report.debuggable,
        report_data=report.report_data,
        measurements={
            "measurement": report.measurement,
            "host_data": report.host_data,
            "id_key_digest": report.id_key_digest,
            "author_key_digest": report.author_key_digest,
            "family_id": report.family_id,
            "image_id": report.image_id,
        },
        tcb_status=TcbStatus.UP_TO_DATE if platform and tcb_matches(report, platform) else None,
        advisories=(),
        tcb_date=None,
        hardware_id=chip.hex() if any(chip) else "",
        details=details,
    )


def product_in(report: Report, platform: EndorsedPlatform | None) -> Product:
    """The product whose TCB layout holds: the certificate's, else CPUID's; Milan's layout where neither is known."""
    if platform is not None:
        return platform.product
    by_cpuid = product_of_cpuid(*report.cpuid[:2]) if report.cpuid else None
    return by_cpuid or Product.MILAN


def tcb_matches(report: Report, platform: EndorsedPlatform) -> bool:
    """Whether the certificate was made for the patch level that the report names."""
    return components(report.reported_tcb, platform.product) == platform.svns


@dataclass(frozen=True, slots=True)
class SevSnpReferenceValues:
    """What a manifest demands of a guest.  None: not demanded.

    An identity is the measurement (48 bytes), or the digest of the key that signed the guest's ID block or of its
    author's key (48 bytes each); all other values narrow it down, since the host chooses them.
    guest_svn: minimum.  vmpl: exactly.  debug: must equal the policy's flag.  migration_agent: True allows the policy
    bit MIGRATE_MA.  smt: False demands a policy that forbids SMT.  single_socket: True demands a policy with it.
    platform_flags: names of PLATFORM_BITS that must be set, e.g. `ciphertext-hiding`.
    minimum_tcb: component (bootloader, tee, snp, microcode, fmc) to the least security version that is reported;
    minimum_launch_tcb: the same for the platform at the time of launch.
    chip_ids: allowed machines, lower-case hex.  products, signing_keys (VCEK, VLEK): names that are allowed.
    revocation: True demands that AMD's revocation list was given and holds; by default it is only said if it was not.
    sources: field name, or "" for the whole, to where the demand stands.
    """

    measurement: bytes | None = None
    host_data: bytes | None = None
    id_key_digest: bytes | None = None
    author_key_digest: bytes | None = None
    family_id: bytes | None = None
    image_id: bytes | None = None
    guest_svn: int | None = None
    vmpl: int | None = None
    debug: bool = False
    migration_agent: bool = False
    smt: bool = True
    single_socket: bool = False
    platform_flags: frozenset[str] = frozenset()
    minimum_tcb: Mapping[str, int] = field(default_factory=dict)
    minimum_launch_tcb: Mapping[str, int] = field(default_factory=dict)
    chip_ids: frozenset[str] | None = None
    products: frozenset[str] | None = None
    signing_keys: frozenset[str] | None = None
    revocation: bool = False
    tcb: TcbPolicy = field(default_factory=TcbPolicy)
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """SEV-SNP."""
        return Kind.SEV_SNP

    def appraise(self, claims: Claims) -> tuple[Check, ...]:
        """Every demand with its outcome.  Values that demand no identity are met by nothing."""
        return (
            *self._measurements(claims),
            *self._identity(),
            settled(
                claims.debuggable == self.debug,
                "sev-snp.debug",
                "debug" if self.debug else "no debug",
                "debug" if claims.debuggable else "no debug",
                source_of(self.sources, "debug"),
                shared.DEBUG,
            ),
            *self._guest(claims),
            *self._policy(claims),
            *self._platform(claims),
            *self._minima(claims, "reported", "minimum_tcb", self.minimum_tcb),
            *self._minima(claims, "launch", "minimum_launch_tcb", self.minimum_launch_tcb),
            *self.tcb.appraise(claims, self.sources),
        )

    def _measurements(self, claims: Claims) -> tuple[Check, ...]:
        demands = {
            "measurement": self.measurement,
            "host_data": self.host_data,
            "id_key_digest": self.id_key_digest,
            "author_key_digest": self.author_key_digest,
            "family_id": self.family_id,
            "image_id": self.image_id,
        }
        return tuple(
            settled(
                claims.measurements[name] == wanted,
                f"sev-snp.{name.replace('_', '-')}",
                wanted.hex(),
                claims.measurements[name].hex(),
                source_of(self.sources, name),
                shared.MEASUREMENT,
            )
            for name, wanted in demands.items()
            if wanted is not None
        )

    def _identity(self) -> tuple[Check, ...]:
        """Zeros are no identity: they stand for a guest without an ID block."""
        if any(any(value) for value in (self.measurement, self.id_key_digest, self.author_key_digest) if value):
            return ()
        expected = "a demand on the measurement, the ID key or the author key"
        source = source_of(self.sources, "")
        return (settled(False, "sev-snp.identity", expected, "none", source, shared.NOTHING_DEMANDED),)

    def _guest(self, claims: Claims) -> tuple[Check, ...]:
        checks = []
        if self.guest_svn is not None:
            svn = int(claims.details["guest_svn"])
            source, expected = source_of(self.sources, "guest_svn"), f">= {self.guest_svn}"
            checks.append(settled(svn >= self.guest_svn, "sev-snp.guest-svn", expected, str(svn), source, shared.SVN))
        if self.vmpl is not None:
            vmpl = int(claims.details["vmpl"])
            source = source_of(self.sources, "vmpl")
            checks.append(settled(vmpl == self.vmpl, "sev-snp.vmpl", str(self.vmpl), str(vmpl), source, codes.VMPL))
        return tuple(checks)

    def _policy(self, claims: Claims) -> tuple[Check, ...]:
        """Source: AMD SEV-SNP Firmware ABI (56860), guest policy."""
        flags = str(claims.details["policy_flags"]).split()
        migratable = "migration-agent" in flags
        checks = [
            settled(
                self.migration_agent or not migratable,
                "sev-snp.migration-agent",
                "a migration agent, or none" if self.migration_agent else "no migration agent",
                "a migration agent is allowed" if migratable else "no migration agent",
                source_of(self.sources, "migration_agent"),
                codes.MIGRATION,
            )
        ]
        demands = (("smt", not self.smt, False), ("single-socket", self.single_socket, True))
        for flag, demanded, wanted in demands:
            if demanded:
                name = flag.replace("-", "_")
                expected, found = (f"policy bit {'set' if on else 'clear'}" for on in (wanted, flag in flags))
                holds, source = (flag in flags) == wanted, source_of(self.sources, name)
                checks.append(settled(holds, f"sev-snp.policy-{flag}", expected, found, source, codes.POLICY))
        return tuple(checks)

    def _platform(self, claims: Claims) -> tuple[Check, ...]:
        checks = []
        if self.platform_flags:
            flags = str(claims.details["platform_flags"]).split()
            checks.append(
                settled(
                    self.platform_flags <= set(flags),
                    "sev-snp.platform",
                    ", ".join(sorted(self.platform_flags)),
                    ", ".join(flags) or "none",
                    source_of(self.sources, "platform_flags"),
                    codes.PLATFORM,
                )
            )
        lists = (
            ("chip_ids", "sev-snp.chip-allowed", self.chip_ids, claims.hardware_id),
            ("products", "sev-snp.product-allowed", self.products, str(claims.details["product"])),
            ("signing_keys", "sev-snp.signing-key-allowed", self.signing_keys, str(claims.details["signing_key"])),
        )
        for field_name, name, allowed, found in lists:
            if allowed is not None:
                expected = " or ".join(sorted(allowed)) or "none"
                source = source_of(self.sources, field_name)
                checks.append(settled(found in allowed, name, expected, found or "none", source, codes.NOT_ALLOWED))
        if self.revocation:
            checked = claims.details["revocation_checked"] is True
            found = "checked" if checked else "not checked"
            source = source_of(self.sources, "revocation")
            checks.append(settled(checked, "sev-snp.revocation", "checked", found, source, codes.NO_REVOCATION))
        return tuple(checks)

    def _minima(self, claims: Claims, which: str, field_name: str, minima: Mapping[str, int]) -> tuple[Check, ...]:
        """A component that the product does not have meets no minimum."""
        checks = []
        for component, least in minima.items():
            found = claims.details.get(f"{which}_{component}_svn")
            holds = isinstance(found, int) and found >= least
            words = "no such component" if found is None else str(found)
            source = source_of(self.sources, field_name)
            name = f"sev-snp.{which}-tcb-{component}"
            checks.append(settled(holds, name, f">= {least}", words, source, codes.TCB_MINIMUM))
        return tuple(checks)


def _tcbs(report: Report) -> Mapping[str, bytes]:
    return {name: getattr(report, f"{name}_tcb") for name in _TCB_NAMES}


def _version(build: tuple[int, int, int]) -> str:
    number, minor, major = build
    return f"{major}.{minor}.{number}"


_TCB_NAMES: Final = ("reported", "committed", "launch", "current")
