"""SEV-SNP guests in AMD's words."""

from collections.abc import Mapping
from typing import Final

from attestation.claims import ReferenceValues, TcbPolicy
from attestation.sev_snp.claims import SevSnpReferenceValues
from coordinator.manifest.platforms.fields import Fields, combinations
from coordinator.manifest.reading import Reading
from coordinator.manifest.schema_packages import PLATFORMS
from coordinator.manifest.shape import named
from coordinator.manifest.view import View


def read_sev_snp(reading: Reading, view: View) -> list[ReferenceValues]:
    """Guests, by launch measurement or by who signed their ID block."""
    if not identifies_guest(reading, view):
        return []
    return [sev_snp_values(fields) for fields in combinations(reading, view, PLATFORMS["SEVSNP"])]


def identifies_guest(reading: Reading, view: View) -> bool:
    """Whether a section names a guest; where it does not, a finding says so."""
    if any(map(view.has, _IDENTITIES)):
        return True
    message = f"{named(view.owner.pointer)} does not identify a guest"
    reading.refuse("E021", view.owner, message, f"name {', '.join(_IDENTITIES[:-1])} or {_IDENTITIES[-1]}")
    return False


def sev_snp_values(fields: Fields) -> SevSnpReferenceValues:
    """The reference values of one combination of a section that identifies a guest."""
    smt = fields.switch("SMT")
    return SevSnpReferenceValues(
        measurement=fields.octets("Measurement"),
        host_data=fields.octets("HostData"),
        id_key_digest=fields.octets("IDKeyDigest"),
        author_key_digest=fields.octets("AuthorKeyDigest"),
        family_id=fields.octets("FamilyID"),
        image_id=fields.octets("ImageID"),
        guest_svn=fields.view.number("GuestSVN"),
        vmpl=fields.view.number("VMPL"),
        migration_agent=fields.view.flag("MigrateMA"),
        smt=True if smt is None else smt,
        single_socket=fields.view.flag("SingleSocket"),
        platform_flags=fields.listed("PlatformInfo") or frozenset(),
        minimum_tcb=_versions(fields.view.view("MinimumTCB")),
        minimum_launch_tcb=_versions(fields.view.view("MinimumLaunchTCB")),
        chip_ids=fields.lowered("ChipIDs"),
        tcb=TcbPolicy(revoked_machines=fields.lowered("RevokedChipIDs") or frozenset()),
        products=fields.listed("Products"),
        signing_keys=fields.listed("SigningKeys"),
        revocation=fields.view.flag("RequireRevocationList"),
        sources=fields.sources(_KEYS),
    )


def _versions(view: View) -> Mapping[str, int]:
    """Firmware component, in the room's words, to its least security version."""
    given = view.keys()
    return {key.lower(): svn for key in given if (svn := view.number(key)) is not None}


_IDENTITIES: Final = ("Measurement", "IDKeyDigest", "AuthorKeyDigest")
_KEYS: Final[Mapping[str, str]] = {
    "measurement": "Measurement",
    "host_data": "HostData",
    "id_key_digest": "IDKeyDigest",
    "author_key_digest": "AuthorKeyDigest",
    "family_id": "FamilyID",
    "image_id": "ImageID",
    "guest_svn": "GuestSVN",
    "vmpl": "VMPL",
    "migration_agent": "MigrateMA",
    "smt": "SMT",
    "single_socket": "SingleSocket",
    "platform_flags": "PlatformInfo",
    "minimum_tcb": "MinimumTCB",
    "minimum_launch_tcb": "MinimumLaunchTCB",
    "chip_ids": "ChipIDs",
    "revoked_machines": "RevokedChipIDs",
    "products": "Products",
    "signing_keys": "SigningKeys",
    "revocation": "RequireRevocationList",
}
