"""Arm CCA realms in Arm's words."""

from collections.abc import Mapping
from typing import Final

from attestation.cca.claims import CcaReferenceValues, ComponentReference
from attestation.claims import ReferenceValues
from coordinator.manifest.document import Member
from coordinator.manifest.platforms.fields import Fields, combinations
from coordinator.manifest.reading import Reading
from coordinator.manifest.schema_packages import PLATFORMS
from coordinator.manifest.shape import named
from coordinator.manifest.view import View


def read_cca(reading: Reading, view: View) -> list[ReferenceValues]:
    """Realms, by their initial measurement."""
    if not view.has("RIM"):
        message = f"{named(view.owner.pointer)} has no RIM, so it does not identify a realm"
        reading.refuse("E021", view.owner, message, "name RIM, and the REMs that your image fixes")
        return []
    return [_values(fields) for fields in combinations(reading, view, PLATFORMS["CCA"])]


def _values(fields: Fields) -> CcaReferenceValues:
    registers, components = fields.numbered("REM", range(4)), fields.view.members("Components")
    machines = fields.listed("InstanceIDs")
    return CcaReferenceValues(
        rim=fields.octets("RIM"),
        rems=registers,
        rpv=fields.octets("RPV"),
        implementation_id=fields.octets("ImplementationID"),
        instance_ids=None if machines is None else frozenset(map(bytes.fromhex, machines)),
        config=fields.octets("Config"),
        components={member.key: _component(fields, member) for member in components},
        components_only=fields.view.flag("ComponentsOnly"),
        sources={
            **fields.sources({**_KEYS, **{f"rem{index}": f"REM{index}" for index in registers}}),
            **{
                f"component.{member.key}": f"{fields.document_name}:{member.place.line + 1} {member.place.pointer}"
                for member in components
            },
        },
    )


def _component(fields: Fields, member: Member) -> ComponentReference:
    one = Fields(View(member.node, member.place), fields.document_name, fields.chosen)
    return ComponentReference(one.octets("Measurement"), one.octets("SignerID"), one.text("Version") or None)


_KEYS: Final[Mapping[str, str]] = {
    "rim": "RIM",
    "rpv": "RPV",
    "implementation_id": "ImplementationID",
    "instance_ids": "InstanceIDs",
    "config": "Config",
    "components_only": "ComponentsOnly",
}
