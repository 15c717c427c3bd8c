"""Nitro enclaves in AWS's words."""

from datetime import timedelta
from typing import Final

from attestation.claims import ReferenceValues
from attestation.nitro.claims import NitroReferenceValues
from coordinator.manifest.platforms.fields import Fields, combinations
from coordinator.manifest.reading import Reading
from coordinator.manifest.schema_packages import NITRO_PCRS, PLATFORMS
from coordinator.manifest.shape import named
from coordinator.manifest.view import View


def read_nitro(reading: Reading, view: View) -> list[ReferenceValues]:
    """Enclaves, by what AWS measured of their image or by who signed it."""
    combined = combinations(reading, view, PLATFORMS["Nitro"])
    if not all(any(_program(fields)) for fields in combined):
        message = f"{named(view.owner.pointer)} does not identify an enclave by a register that is not zero"
        hint = "name PCR0, PCR1, PCR2 or PCR8; zeros are measured of every debuggable enclave"
        reading.refuse("E021", view.owner, message, hint)
        return []
    return [_values(fields) for fields in combined]


def _program(fields: Fields) -> tuple[bool, ...]:
    """Of each register that names a program, whether it is demanded to be something but zeros."""
    return tuple(any(value) for value in fields.numbered("PCR", (0, 1, 2, 8)).values())


def _values(fields: Fields) -> NitroReferenceValues:
    age, registers = fields.text("MaxAge"), fields.numbered("PCR", NITRO_PCRS)
    keys = {"user_data": "UserData", "nonce": "Nonce", "public_key": "PublicKey", "max_age": "MaxAge"}
    return NitroReferenceValues(
        pcrs=registers,
        user_data=fields.octets("UserData"),
        nonce=fields.octets("Nonce"),
        public_key=fields.octets("PublicKey"),
        max_age=timedelta(seconds=int(age[:-1]) * _SECONDS[age[-1]]) if age else None,
        sources=fields.sources({**{f"pcr{number}": f"PCR{number}" for number in registers}, **keys}),
    )


_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
