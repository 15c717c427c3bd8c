"""TLS tags (contract, 3.8)."""

from collections.abc import Mapping

from coordinator.manifest.document import Member, step
from coordinator.manifest.model import Secret, TlsIncoming, TlsOutgoing, TlsTag
from coordinator.manifest.people import check_name
from coordinator.manifest.reading import Reading
from coordinator.manifest.view import View


def read_tags(reading: Reading, members: tuple[Member, ...], secrets: Mapping[str, Secret]) -> Mapping[str, TlsTag]:
    """Every tag, used or not."""
    tags = {}
    for member in members:
        view = View(member.node, member.place)
        incoming = tuple(
            _incoming(reading, member.key, View(item, item.place), secrets) for item in view.items("Incoming")
        )
        outgoing = tuple(_outgoing(reading, member.key, View(item, item.place)) for item in view.items("Outgoing"))
        tags[member.key] = TlsTag(incoming, outgoing)
    return tags


def _incoming(reading: Reading, tag: str, view: View, secrets: Mapping[str, Secret]) -> TlsIncoming:
    port, secret, anybody = view.text("Port"), view.text("Cert"), view.flag("DisableClientAuth")
    if not port and not reading.is_refused(step(view.owner.pointer, "Port")):
        reading.refuse("E011", view.owner, f'an Incoming of TLS tag "{tag}" has no Port', 'add Port, such as "8443"')
    if secret and check_name(reading, view.place("Cert"), f'TLS tag "{tag}" shows secret', secret, secrets, "secrets"):
        if not secrets[secret].type.is_certificate:
            message = f'TLS tag "{tag}" shows secret "{secret}", which is a {secrets[secret].type}'
            reading.remark("E023", view.place("Cert"), message, "name a secret of type cert-…")
        if not anybody:
            message = f'TLS tag "{tag}" has Cert, but marbles would demand client certificates'
            reading.refuse("E023", view.place("Cert"), message, "add DisableClientAuth: true, or remove Cert")
    if anybody and not secret:
        message = f'TLS tag "{tag}" has DisableClientAuth, but no Cert'
        reading.refuse("E023", view.place("DisableClientAuth"), message, "add Cert, or remove DisableClientAuth")
    return TlsIncoming(port, secret or None, not anybody)


def _outgoing(reading: Reading, tag: str, view: View) -> TlsOutgoing:
    for field, example in (("Addr", "db.example"), ("Port", "5432")):
        if not view.text(field) and not reading.is_refused(step(view.owner.pointer, field)):
            message = f'an Outgoing of TLS tag "{tag}" has no {field}'
            reading.refuse("E011", view.owner, message, f'add {field}, such as "{example}"')
    return TlsOutgoing(view.text("Addr"), view.text("Port"))
