"""What is legal and still worth a word: what is unused, what is weaker than it looks, what a reviewer should know.

Only warnings and infos: a manifest with findings of this file is accepted.  Each has its place, its reason and a fix.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from attestation.claims import ReferenceValues, TcbStatus
from attestation.init_data import FIELDS
from attestation.sgx.claims import SgxReferenceValues
from attestation.tdx.claims import TdxReferenceValues
from coordinator.manifest.document import Place
from coordinator.manifest.errors import Finding, Severity
from coordinator.manifest.lint_approvals import lint_approvals
from coordinator.manifest.lint_characters import hidden
from coordinator.manifest.lint_renewal import lint_renewal
from coordinator.manifest.model import Action, Manifest, Marble, Package, Secret, SecretType
from coordinator.manifest.parse import Parsed
from coordinator.manifest.places import Places


def lint(parsed: Parsed) -> tuple[Finding, ...]:
    """Every remark about a manifest without errors, in the order of the text."""
    linter = _Linter(parsed)
    linter.look()
    return tuple(sorted(linter.findings, key=lambda finding: (finding.line, finding.column, finding.code)))


class _Linter:
    def __init__(self, parsed: Parsed) -> None:
        self.findings: list[Finding] = []
        self._document = parsed.document
        self._places = Places(parsed.root)
        self._manifest: Manifest = parsed.manifest
        self._readers = _readers(parsed.manifest)
        self._root = parsed.root

    def look(self) -> None:
        """Everything, section by section."""
        users = defaultdict(list)
        for place, what, character in hidden(self._root):
            message = f"a {what} has the character {character}, which nobody sees"
            self._warn("E063", place, message, "remove it: names and texts that look alike would not be")
        for remark in (*lint_approvals(self._manifest), *lint_renewal(self._manifest)):
            self._warn(remark.code, self._places.key(*remark.path), remark.message, remark.hint)
        for marble in self._manifest.marbles.values():
            users[marble.package].append(marble.type)
        for package in self._manifest.packages.values():
            self._package(package, users[package.name])
        for marble in self._manifest.marbles.values():
            self._marble(marble)
        for secret in self._manifest.secrets.values():
            self._secret(secret)
        used_tags = {tag for marble in self._manifest.marbles.values() for tag in marble.tls}
        for tag in self._manifest.tls:
            if tag not in used_tags:
                place = self._places.key("TLS", tag)
                self._warn("E042", place, f'TLS tag "{tag}" is used by no marble', "remove it, or name it in a marble")

    def _package(self, package: Package, marbles: list[str]) -> None:
        place = self._places.key("Packages", package.name)
        if not marbles and package.name not in self._manifest.config.coordinators:
            message = f'package "{package.name}" is used by no marble'
            self._warn("E040", place, message, "remove it, or let a marble name it")
        elif len(marbles) > 1:
            listed = _listed(marbles)
            message = f'package "{package.name}" is that of {listed}: who starts this program chooses which it becomes'
            hint = "build a program for each, if one must not get what is meant for the other"
            self._tell("E050", place, message, hint)
        for values in package.alternatives:
            self._identity(package, values)
            if package.name in self._manifest.config.coordinators:
                self._configuration(package, values)

    def _identity(self, package: Package, values: ReferenceValues) -> None:
        name = package.name
        if isinstance(values, SgxReferenceValues):
            where = ("Packages", name, "SGX") if self._places.node("Packages", name, "SGX") else ("Packages", name)
            if values.mrenclave is None and values.mrsigner is not None:
                message = f'package "{name}" is whatever its signer releases as product {values.isvprodid}'
                place = self._places.key(*where, "MRSIGNER" if len(where) == 3 else "SignerID")
                hint = "name MRENCLAVE (UniqueID) instead, if the people who agree on this must see each new build"
                self._tell("E044", place, message, hint)
            accepted = values.tcb.accepted_statuses
        elif isinstance(values, TdxReferenceValues):
            where = ("Packages", name, "TDX")
            missing = [f"RTMR{index}" for index in (1, 2) if index not in values.rtmrs]
            if missing:
                message = f'package "{name}" leaves {" and ".join(missing)} open: any system may start on this firmware'
                hint = "name the RTMRs that your image fixes (simulated hardware has none, so leave them out there)"
                self._tell("E045", self._places.key(*where), message, hint)
            accepted = values.tcb.accepted_statuses
        else:
            return
        broken = [status.value for status in TcbStatus if status in accepted & _BROKEN]
        if broken:
            message = f'package "{name}" accepts platforms that are {" or ".join(broken)}: known holes may be open'
            self._warn("E051", self._places.key(*where, "AcceptedTCBStatuses"), message, "update the platforms instead")

    def _configuration(self, package: Package, values: ReferenceValues) -> None:
        field = FIELDS.get(values.kind)
        if field is None or getattr(values, field.claim) is not None:
            return
        message = f'coordinator "{package.name}" is accepted on {values.kind} with whatever its host told it at launch'
        hint = f"name {field.key}: what `enclasp coordinator init-data` prints, or zeros where nothing is told"
        self._tell("E053", self._places.key("Packages", package.name, field.section), message, hint)

    def _marble(self, marble: Marble) -> None:
        shared = sorted(name for name in marble.secrets if self._manifest.secrets[name].shared)
        place = self._places.key("Marbles", marble.type)
        if shared and not marble.max_activations:
            message = f'marble "{marble.type}" gets shared secrets ({_listed(shared)}) and may start without limit'
            self._tell("E047", place, message, "set MaxActivations, if you know how often it may start")
        port = _listens(marble)
        if port and not marble.tls and not self._has_certificate(marble):
            message = f'marble "{marble.type}" seems to listen ({port}), but has no TLS tag and no certificate'
            hint = "give it a TLS tag, or .MarbleRun.MarbleCert in a file or variable"
            self._tell("E049", place, message, hint)
        for kind, contents in (("Env", marble.parameters.env), ("Files", marble.parameters.files)):
            for name, template in contents.items():
                where = ("Marbles", marble.type, "Parameters", kind, name)
                if template.is_plain and _looks_secret(name, template.source):
                    message = f'{kind} {name} of marble "{marble.type}" looks like a secret, and manifests are public'
                    hint = "define it under Secrets, and use a template such as {{ hex .Secrets.name }}"
                    self._warn("E052", self._places.key(*where), message, hint)
                    self._hide_line()

    def _has_certificate(self, marble: Marble) -> bool:
        """Whether the marble gets a key pair that it could serve with."""
        if any(self._manifest.secrets[name].type.is_certificate for name in marble.secrets):
            return True
        contents = (*marble.parameters.files.values(), *marble.parameters.env.values())
        return any(b"MarbleCert" in template.source for template in contents if not template.is_plain)

    def _secret(self, secret: Secret) -> None:
        readers = self._readers.get(secret.name, ())
        place = self._places.key("Secrets", secret.name)
        if not readers and not any(user.may(Action.READ_SECRET, secret.name) for user in self._manifest.users.values()):
            self._warn("E041", place, f'secret "{secret.name}" is used by no marble', "remove it, or use it")
        elif secret.shared and not secret.user_defined and len(readers) == 1:
            message = f'secret "{secret.name}" is shared, but only marble "{readers[0]}" uses it'
            hint = "without Shared each of its instances has a value of its own, which is lost with its UUID"
            self._tell("E046", self._places.key("Secrets", secret.name, "Shared"), message, hint)
        if weakness := _weakness(secret):
            field = "Length" if secret.password is not None else "Size"
            size = self._places.value("Secrets", secret.name, field)
            self._warn("E043", size, f'secret "{secret.name}": {weakness[0]}', weakness[1])

    def _warn(self, code: str, place: Place, message: str, hint: str) -> None:
        self.findings.append(self._document.finding(Severity.WARNING, code, place, message, hint))

    def _tell(self, code: str, place: Place, message: str, hint: str) -> None:
        self.findings.append(self._document.finding(Severity.INFO, code, place, message, hint))

    def _hide_line(self) -> None:
        """The last finding is about a line that may hold a secret: reports shall not repeat it."""
        self.findings[-1] = replace(self.findings[-1], source_line="")


def _readers(manifest: Manifest) -> Mapping[str, list[str]]:
    """Secret's name to the marbles that use it."""
    readers: dict[str, list[str]] = defaultdict(list)
    for marble in manifest.marbles.values():
        for name in marble.secrets:
            readers[name].append(marble.type)
    return readers


def _weakness(secret: Secret) -> tuple[str, str] | None:
    """Why a key is weak, and what to do; RSA is the parser's (E029)."""
    if secret.type is SecretType.SYMMETRIC_KEY and 0 < secret.size < 128:
        return f"a key of {secret.size} bits can be guessed", "use 256"
    if secret.password is not None and secret.password.bits < 80:
        return f"a password of {int(secret.password.bits)} bits can be guessed", "make it longer: 80 bits or more"
    if secret.type is SecretType.CERT_ECDSA and secret.size == 224:
        return "P-224 is weaker than what certificates use today, and browsers do not know it", "use 256"
    return None


def _listens(marble: Marble) -> str:
    """The argument or variable by which a program is told to listen; empty where none is."""
    for argument in marble.parameters.argv:
        if _LISTEN_OPTION.match(argument):
            return argument[:40]
    return next((name for name in marble.parameters.env if _LISTEN_VARIABLE.search(name)), "")


def _looks_secret(name: str, content: bytes) -> bool:
    if b"PRIVATE KEY-----" in content:
        return True
    if not content or content.startswith(b"/") or len(content) > _LONGEST_PASSWORD:
        return False
    return bool(_SECRET_VARIABLE.search(name))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


_NAMED: Final = 4
_LONGEST_PASSWORD: Final = 256
_BROKEN: Final = frozenset({TcbStatus.OUT_OF_DATE, TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED, TcbStatus.REVOKED})
_LISTEN_OPTION: Final = re.compile(r"--?(?:listen|port|bind|addr|address|http|https)(?:=|$)", re.IGNORECASE)
_LISTEN_VARIABLE: Final = re.compile(r"^(?:PORT|LISTEN\w*|BIND\w*)$|_LISTEN(?:_ADDR)?$", re.IGNORECASE)
_SECRET_VARIABLE: Final = re.compile(r"(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY)$", re.IGNORECASE)
