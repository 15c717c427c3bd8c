"""`Refused` and its kinds.  The type says whose fault it is; each door turns types into its own codes in one table."""

from collections.abc import Sequence
from datetime import datetime

from attestation.checks import Check, Status
from coordinator.manifest.errors import Finding, ManifestInvalid, Severity
from coordinator.manifest.model import ReadApproval, User
from coordinator.recovery.errors import RecoveryError
from coordinator.state.phase import Ask, Phase
from coordinator.wire.read_requests import Wanted


class Refused(Exception):
    """The Coordinator understood the request and will not do it."""

    code = "A200"
    hint = ""

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class WrongPhase(Refused):
    """The Coordinator's phase does not admit this request."""

    code = "A210"

    def __init__(self, ask: Ask, phase: Phase) -> None:
        self.ask, self.phase = ask, phase
        super().__init__(f"server is not in expected state: {ask.value} is refused in state {phase.value}")
        self.hint = phase.message


class ManifestRefused(Refused):
    """The document is invalid; every finding is in the text."""

    code = "E000"

    def __init__(self, cause: ManifestInvalid) -> None:
        self.findings: tuple[Finding, ...] = cause.findings
        errors = [f for f in cause.findings if f.severity is Severity.ERROR]
        lines = [f"  {cause.name}:{f.line}:{f.column}: {f.code} {f.message} (hint: {f.hint})" for f in errors]
        super().__init__("\n".join([f"invalid manifest: {len(errors)} error(s)", *lines]))


class MarbleRefused(Refused):
    """A marble may not join.  `reason` is the class that the marble learns; the text is for the operator."""

    reason = "not admitted"


class UnknownMarble(MarbleRefused):
    """The manifest has no marble of this type."""

    code = "A201"
    reason = "unknown marble type"
    hint = "compare EDG_MARBLE_TYPE with the names under Marbles in the manifest"


class TooManyActivations(MarbleRefused):
    """`MaxActivations` of this marble is used up."""

    code = "A202"
    reason = "maximum number of activations reached"
    hint = "activations also count restarts; raise MaxActivations with a manifest update"


class TooManyOnOneVendor(TooManyActivations):
    """`MaxActivationsPerVendor` of this marble is used up for this vendor."""

    reason = "maximum number of activations on one vendor's hardware reached"
    hint = "start it on another vendor's hardware, or raise MaxActivationsPerVendor with a manifest update"


class EvidenceReused(MarbleRefused):
    """Evidence that binds the same has been admitted before."""

    code = "A203"
    reason = "evidence was used before"
    hint = "a marble makes a new key, certificate and evidence for every activation"


class FreshEvidenceRequired(MarbleRefused):
    """The manifest wants a join with a nonce (`RequireFreshEvidence`)."""

    code = "A225"
    reason = "fresh evidence is required"
    hint = "start it with this version's `enclasp marble run`: MarbleRun's own marbles send evidence without a nonce"


class NotAttested(MarbleRefused):
    """The Evidence is not genuine, or not what the manifest wants; `checks` says all of it."""

    code = "A204"
    reason = "evidence does not match the manifest"

    def __init__(self, marble: str, checks: tuple[Check, ...], *, genuine: bool) -> None:
        self.checks = checks
        if not genuine:
            self.reason = "evidence is not genuine"
        missed = [c for c in checks if c.status is not Status.PASSED]
        lines = [f"  {c.name}: expected {c.expected}, got {c.found} ({c.source})" for c in missed]
        super().__init__("\n".join([f"marble '{marble}': {self.reason}", *lines]))
        self.hint = next((c.hint for c in missed if c.hint), "")


class NoCertificate(Refused):
    """The connection showed no client certificate."""

    code = "A205"
    hint = "a marble connects with a self-signed certificate whose key its evidence binds"


class NotFresh(Refused):
    """The nonce of a join is not one that was given for it just now; a marble asks for another one."""

    code = "A224"
    hint = "the marble asks for a new nonce by itself; if it stays so, compare the clocks of the coordinator's replicas"


class NotRenewable(Refused):
    """Who asks for new certificates shows none that this Coordinator gave, or one that has ended."""

    code = "A226"
    hint = "the marble joins anew, which counts as an activation; `enclasp marble run` does so by itself"


class RequestInvalid(Refused):
    """A field of the activation request is not what it must be."""

    code = "A206"


class CsrRefused(Refused):
    """The certificate signing request is missing, unreadable or not signed by its own key."""

    code = "A207"


class ParametersFailed(Refused):
    """The manifest's templates cannot be rendered for this marble."""

    code = "A208"
    hint = "run `enclasp manifest check` on the manifest"


class SecretNotSet(ParametersFailed):
    """A template needs a user-defined secret that no user has set yet."""

    code = "A209"
    hint = "a user whose role allows it sets it with `enclasp secret set`"


class UnknownUser(Refused):
    """The connection shows no certificate of a user of the manifest."""

    code = "U520"
    hint = "connect with exactly the certificate that the manifest has under Users, and its key"


class NoSetter(UnknownUser):
    """The configuration names who may set a manifest here, and the caller is somebody else."""

    code = "U560"
    hint = "show the certificate of a setter's key, or send the claim token: `enclasp manifest set --claim-token-file`"


class NotPermitted(Refused):
    """The user is known, but none of the user's roles allows this.  One text for what is undefined and forbidden."""

    code = "U521"
    hint = "the manifest's Roles say what a user may do"


class NeedsApproval(Refused):
    """The user's role allows to read this secret, but only when others approve it."""

    code = "A230"
    hint = "ask for it with `enclasp secret request`, and get it when enough have approved"

    def __init__(self, secret: str, terms: ReadApproval, approvers: Sequence[User]) -> None:
        of = ", ".join(user.name for user in approvers)
        super().__init__(f"secret '{secret[:100]}' is read only with the approval of {terms.threshold} of {of}")


class NoReadRequest(Refused):
    """No open request has this id, or none of the user's has these secrets."""

    code = "A231"
    hint = "`enclasp secret requests` lists those that are open, `enclasp manifest log` says what became of the others"


class NotApproved(Refused):
    """A request waits for approvals, or for its time."""

    code = "A232"
    hint = "who may approve does it with `enclasp secret approve`; then get the secrets again"

    def __init__(self, request: str, wanted: Sequence[Wanted], due: datetime | None) -> None:
        words = [f"{one.approvals} more of {', '.join(one.users)} for '{one.secret[:100]}'" for one in wanted]
        if due is not None:
            words.append(f"its time, from {due.isoformat(timespec='seconds')} on")
        super().__init__(f"request {request} waits for {'; '.join(words)}")


class ReadRequestRefused(Refused):
    """A request to read secrets is not one that can be approved."""

    code = "A233"


class TooManyReadRequests(ReadRequestRefused):
    """A user has as many open requests as one may have."""

    code = "A234"
    hint = "withdraw one with `enclasp secret withdraw`, or wait until one expires"


class SecretRefused(Refused):
    """A value does not fit its secret's definition."""

    code = "U522"


class ReplicaRefused(Refused):
    """Somebody who asks for the state's key is no replica of this coordinator, or there is nothing to share."""

    code = "R480"
    hint = "replicas must run one image, on machines of one kind, with the same trust anchors and collateral"


class ProgramNotAccepted(ReplicaRefused):
    """A replica is a coordinator, genuine, and another program than the manifest accepts."""

    code = "R520"
    hint = "name its package under Config.Coordinators of the manifest, by an update; the text says what to add"


class LeaderNotAccepted(ReplicaRefused):
    """The leader is another program, which its own manifest does not accept: what it hands over is not to be used."""

    code = "R521"
    hint = "name the packages of both programs under Config.Coordinators of the manifest, by an update"


class SelfNotAccepted(Refused):
    """The state opens, and its manifest does not accept this program."""

    code = "R522"
    hint = "start the version that served before, and accept this one there with `enclasp manifest update`"


class ConfigurationNotAccepted(Refused):
    """The state opens, and was served under another measured configuration."""

    code = "R524"
    hint = "start the coordinator with the init-data as before; an update of the manifest can accept another one"


class AnotherState(Refused):
    """The state opens with a key that was handed over, and is none that goes on from there."""

    code = "R523"
    hint = "somebody has put another state in its place: restore it, or recover with the owners' keys"


class KeeperNotNamed(Refused):
    """The state was opened by a key source that its manifest does not name: who can use that may have made it."""

    code = "R525"
    hint = "somebody has put a state of his own in the place of yours: restore it, or recover with the owners' keys"


class RecoveryRefused(Refused):
    """A share, or a rehearsal's proof, is not what this state needs; `cause` says why."""

    def __init__(self, cause: RecoveryError) -> None:
        self.code, self.hint = cause.code, cause.hint
        super().__init__(f"recovery: {cause}")


class ShareUnreadable(RecoveryRefused):
    """An encrypted share does not open."""


class GateClosed(Refused):
    """The manifest does not open the feature gate of this request, or there is no manifest."""

    code = "A220"
    hint = "name it under Config/FeatureGates of the manifest"


class UnknownMarbleCertificate(Refused):
    """The connection shows no certificate that this Coordinator gave to a marble and that is valid now."""

    code = "A221"
    hint = "a marble connects with its own certificate and key; after a manifest update it needs the new one"


class CounterRefused(Refused):
    """A counter's name or number is beyond what is kept."""

    code = "A222"


class QuoteRefused(Refused):
    """A quote that is to be countersigned cannot be verified."""

    code = "A223"


class NoPendingUpdate(Refused):
    """No update of the manifest waits for approvals."""

    code = "U523"
    hint = "`enclasp manifest log` says what became of the last one"


class UpdatePending(Refused):
    """An update waits already; there is one at a time."""

    code = "U524"
    hint = "acknowledge it, cancel it, or wait until it expires"


class OtherDocument(Refused):
    """The bytes are not those that are pending."""

    code = "U525"
    hint = "get the exact bytes with `enclasp manifest update pending`, and read them"


class PackageUpdateRefused(Refused):
    """A security version cannot become this."""

    code = "U526"


class ReplacesOther(Refused):
    """The document names another manifest as its predecessor."""

    code = "U527"
    hint = "somebody else has updated the manifest meanwhile: look at it, then write a document for it"


class ApprovalRefused(Refused):
    """A detached signature does not count."""

    code = "U528"


class SealingFixed(Refused):
    """The document changes who can open the sealed state."""

    code = "U530"
    hint = "keep these as they are"


class UpdateFailed(Refused):
    """An approved manifest could not be put in force, and is withdrawn."""

    code = "U529"


CODES = {
    "A200": ("request refused", "see the coordinator's log"),
    "A201": ("unknown marble type", UnknownMarble.hint),
    "A202": ("maximum number of activations reached", TooManyActivations.hint),
    "A203": ("evidence was used before", EvidenceReused.hint),
    "A204": ("evidence does not match the manifest", "the coordinator's log has every check with expected and found"),
    "A205": ("no client certificate", NoCertificate.hint),
    "A224": ("nonce of a join is not fresh", NotFresh.hint),
    "A225": (FreshEvidenceRequired.reason, FreshEvidenceRequired.hint),
    "A226": ("no certificate that can be renewed", NotRenewable.hint),
    "A206": ("activation request invalid", "compare the marble's settings with the error text"),
    "A207": ("certificate signing request refused", "send a PKCS#10 request in DER, signed by its own key"),
    "A208": ("parameters cannot be rendered", ParametersFailed.hint),
    "A209": ("a user-defined secret is not set yet", SecretNotSet.hint),
    "A210": ("wrong state for this request", "`enclasp status` tells the coordinator's state"),
    "U520": ("the client is no user of the manifest", UnknownUser.hint),
    "U560": ("not everybody may set this coordinator's manifest", NoSetter.hint),
    "U521": ("the user's roles do not allow this", NotPermitted.hint),
    "U522": (
        "a value does not fit its secret",
        "Key for symmetric-key (Size bits) and plain; Cert, and Private, for certificates; all in base64",
    ),
    "A220": ("a feature gate is closed", GateClosed.hint),
    "A221": ("the client is no marble of this deployment", UnknownMarbleCertificate.hint),
    "A222": ("a monotonic counter cannot be kept", "use fewer counters, or shorter names"),
    "A223": ("a quote is not countersigned", "the text names every check that did not pass"),
    "A230": ("a secret is read only with the approval of others", NeedsApproval.hint),
    "A231": ("no such request to read secrets is open", NoReadRequest.hint),
    "A232": ("a request to read secrets waits", NotApproved.hint),
    "A233": (
        "a request to read secrets cannot be made",
        "name only secrets that have a ReadApproval, and give a reason in one line",
    ),
    "A234": ("a user has too many open requests", TooManyReadRequests.hint),
    "U523": ("no update is pending", NoPendingUpdate.hint),
    "U524": ("an update is pending already", UpdatePending.hint),
    "U525": ("another document is pending", OtherDocument.hint),
    "U526": (
        "a security version cannot become this",
        "package updates only raise the version of SGX packages; everything else is an update of the whole manifest",
    ),
    "U527": ("the document is an update of another manifest", ReplacesOther.hint),
    "U528": (
        "a detached signature does not count",
        "who may approve signs the exact bytes that wait: a manifest, which names in Update.Replaces the one in force, "
        "with `enclasp manifest sign`, a request to read secrets with `enclasp secret sign`",
    ),
    "U530": ("an update cannot change who opens the sealed state", SealingFixed.hint),
    "U529": (
        "an approved manifest could not be put in force",
        "the text says why; correct the document, propose it again",
    ),
    "R480": ("a replica was refused the state's key", ReplicaRefused.hint),
    "R520": ("a replica is a program that the manifest does not accept", ProgramNotAccepted.hint),
    "R521": ("the leader is a program that its manifest does not accept", LeaderNotAccepted.hint),
    "R522": ("the manifest does not accept this coordinator", SelfNotAccepted.hint),
    "R524": ("the state is for a coordinator with another measured configuration", ConfigurationNotAccepted.hint),
    "R523": ("the state is none that goes on from where its key was handed over", AnotherState.hint),
    "R525": ("the state was opened by a key source that its manifest does not name", KeeperNotNamed.hint),
    "E000": ("invalid manifest", "`enclasp manifest check FILE` shows each error at its place"),
}
