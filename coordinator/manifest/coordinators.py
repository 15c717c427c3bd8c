"""`Config.Coordinators`: packages whose program may have the Coordinator's state."""

from collections.abc import Iterable, Mapping

from attestation.azure_vtpm.claims import AzureVtpmReferenceValues
from attestation.claims import ReferenceValues
from attestation.composite.claims import CompositeReferenceValues
from attestation.kinds import Kind
from coordinator.manifest.model import Package
from coordinator.manifest.people import check_name
from coordinator.manifest.reading import Reading
from coordinator.manifest.view import View


def read_coordinators(
    reading: Reading, config: View, defined: Iterable[str], packages: Mapping[str, Package]
) -> tuple[str, ...]:
    """Names of the accepted packages.  config: the section `Config`.  defined: every package's name; packages: those
    that are identified."""
    names = config.texts("Coordinators")
    for item, name in zip(config.items("Coordinators"), names, strict=True):
        check_name(reading, item.place, "Config.Coordinators names", name, defined, "packages")
        alternatives = packages[name].alternatives if name in packages else ()
        if any(map(_may_be_debugged, alternatives)):
            message = f'coordinator "{name}" may be debugged, so its host could read the root key and all secrets'
            reading.refuse("V320", item.place, message, "remove Debug from the package")
        elif any(values.kind is Kind.NVIDIA_GPU for values in alternatives):
            message = f'coordinator "{name}": a GPU alone proves a device, not the program that uses it'
            reading.refuse("V320", item.place, message, "name the processor's platform in the package")
    return tuple(dict.fromkeys(names))


def accepted(names: Iterable[str], packages: Mapping[str, Package]) -> tuple[ReferenceValues, ...]:
    """What proves an accepted coordinator: alternatives, of which one is enough.  packages: as they are in force."""
    return tuple(values for name in names for values in packages[name].alternatives)


def _may_be_debugged(values: ReferenceValues) -> bool:
    if isinstance(values, CompositeReferenceValues):
        return any(map(_may_be_debugged, values.all_of))
    if isinstance(values, AzureVtpmReferenceValues):
        return _may_be_debugged(values.hardware)
    return bool(getattr(values, "debug", False))
