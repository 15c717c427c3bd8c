"""A draft as the YAML that a person completes."""

from collections.abc import Iterator

from attestation.kinds import Kind
from coordinator.draft.commented import Entry, Map, Value, comments, write
from coordinator.draft.model import (
    UNKNOWN_LIMIT,
    Certificate,
    Content,
    Draft,
    Key,
    Person,
    Secret,
    Service,
    Tag,
    Upload,
    question,
)
from coordinator.draft.platforms import package
from coordinator.manifest.undecided import MARKER
from coordinator.manifest.yaml_writer import write_entry

MODELINE = "# yaml-language-server: $schema=manifest.schema.json"


def render(draft: Draft) -> str:
    """The whole document.  Open decisions begin with the marker, as values or as comments."""
    lines = [MODELINE, *comments(draft.head), "Packages:"]
    told: set[Kind] = set()
    for service in draft.services:
        lines += _package(service, told)
    lines += ["", *write([Entry("Marbles", Map(tuple(map(_marble, draft.services))))])]
    sections = (
        Entry("Secrets", Map(tuple(map(_secret, draft.secrets)))),
        Entry("TLS", Map(tuple(map(_tag, draft.tags))), (_TLS,)),
        *_people(draft),
    )
    for section in sections:
        if isinstance(section.value, Map) and section.value.entries:
            lines += ["", *write([section])]
    if asked := list(comments(_nobody(draft))):
        lines += ["", *asked]
    return "\n".join(lines) + "\n"


def decisions(text: str) -> int:
    """How many decisions are open in a rendered draft."""
    return sum(1 for line in text.splitlines() if f'"{MARKER} ' in line or line.lstrip().startswith(f"# {MARKER}"))


def _package(service: Service, told: set[Kind]) -> Iterator[str]:
    yield from comments(service.about, 2)
    if service.measured is None:
        yield from write([Entry(service.name, package(service.platforms, told))], 2)
    else:
        yield from write_entry(service.name, service.measured, 2)


def _marble(service: Service) -> Entry:
    asked = (question(service.starts_question),) if service.starts_question else ()
    limit: Value = service.starts
    if service.starts == UNKNOWN_LIMIT:
        limit, asked = question(f"how often may it start? {service.starts_question}".rstrip()), ()
    entries = [Entry("Package", service.name), Entry("MaxActivations", limit, asked)]
    if not any(platform.kind is Kind.SGX for platform in service.platforms):
        entries.append(Entry("RequireFreshEvidence", True))
    parameters = [
        Entry(kind, Map(tuple(map(_content, contents))))
        for kind, contents in (("Files", service.files), ("Env", service.env))
        if contents
    ]
    if service.argv:
        parameters.append(Entry("Argv", service.argv))
    if parameters:
        entries.append(Entry("Parameters", Map(tuple(parameters))))
    if service.tags:
        entries.append(Entry("TLS", service.tags))
    return Entry(service.name, Map(tuple(entries)), service.notes)


def _content(content: Content) -> Entry:
    value: Value = content.text
    if content.is_base64:
        value = Map((Entry("Data", content.text), Entry("Encoding", "base64"), Entry("NoTemplates", True)))
    elif not content.is_template and "{{" in content.text:
        value = Map((Entry("Data", content.text), Entry("NoTemplates", True)))
    return Entry(content.name, value, content.notes)


def _secret(secret: Secret) -> Entry:
    match secret:
        case Key():
            fields = [Entry("Type", "symmetric-key"), Entry("Size", secret.size), Entry("Shared", True)]
        case Upload():
            fields = [Entry("Type", "plain"), Entry("UserDefined", True)]
        case Certificate():
            hosts = secret.hosts or (question("the name that clients outside use"),)
            fields = [
                Entry("Type", "cert-ecdsa"),
                Entry("Size", 256),
                Entry("Shared", True),
                Entry("ValidFor", 90),
                Entry("Cert", Map((Entry("DNSNames", hosts), Entry("IPAddresses", ())))),
            ]
    return Entry(secret.name, Map(tuple(fields)), secret.notes)


def _tag(tag: Tag) -> Entry:
    if tag.address:
        outgoing = Map((Entry("Addr", tag.address), Entry("Port", tag.port)))
        return Entry(tag.name, Map((Entry("Outgoing", (outgoing,)),)), tag.notes)
    incoming = [Entry("Port", tag.port)]
    if tag.certificate:
        incoming += [Entry("Cert", tag.certificate), Entry("DisableClientAuth", True)]
    return Entry(tag.name, Map((Entry("Incoming", (Map(tuple(incoming)),)),)), tag.notes)


def _people(draft: Draft) -> Iterator[Entry]:
    """Who sets what comes from outside, who may update the manifest, and who can recover the state."""
    uploads = tuple(secret.name for secret in draft.secrets if isinstance(secret, Upload))
    roles = {
        **(
            {_WRITER: _role("Secrets", uploads, "WriteSecret", "May set these secrets, and not read them.")}
            if uploads
            else {}
        ),
        **(
            {_UPDATER: _role("Manifest", (), "UpdateManifest", "All of them agree on an update.")}
            if draft.people
            else {}
        ),
    }
    people = draft.people or ((Person("operator", ""),) if uploads else ())
    yield Entry("Users", Map(tuple(_user(person, tuple(roles)) for person in people)))
    yield Entry("Roles", Map(tuple(Entry(name, *role) for name, role in roles.items())))
    owners = tuple(Entry(owner.name, owner.pem) for owner in draft.owners)
    yield Entry("RecoveryKeys", Map(owners), ("Their owners recover the state together, where its machine is lost.",))


def _user(person: Person, roles: tuple[str, ...]) -> Entry:
    certificate = person.pem or question("certificate in PEM of this person")
    return Entry(person.name, Map((Entry("Certificate", certificate), Entry("Roles", roles))))


def _role(kind: str, names: tuple[str, ...], action: str, note: str) -> tuple[Map, tuple[str, ...]]:
    fields = [Entry("ResourceType", kind), *([Entry("ResourceNames", names)] if names else [])]
    return Map((*fields, Entry("Actions", (action,)))), (note,)


def _nobody(draft: Draft) -> Iterator[str]:
    """What nobody can do later, if nobody is named now."""
    if not draft.people:
        yield question(
            "nobody may ever update this manifest. Name users who may (--user NAME=CERT), or delete this comment"
        )
    if not draft.owners:
        lost = "where the coordinator's machine is lost, nobody can recover its state"
        yield question(f"{lost}. Name owners of keys (--recovery-key NAME=KEY), or delete this comment")


_WRITER = "secret-writer"
_UPDATER = "manifest-updater"
_TLS = "What programs have to keep: MARBLE_TTLS_CONFIG tells it to them, and nothing here ends TLS in their place."
