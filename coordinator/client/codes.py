"""Message codes that the client raises."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "N301": (
        "the coordinator cannot be reached",
        "check host and port (the client port, 4433 by default), and that `enclasp coordinator run` is up",
    ),
    "N302": (
        "the coordinator did not answer in time",
        "try again; if it stays so, look at the coordinator's log and at the network between",
    ),
    "N303": (
        "the answer is not one of a coordinator",
        "check that host and port are those of a coordinator's client interface, not of another service",
    ),
    "N304": (
        "the endpoint is not HOST:PORT",
        "write it like coordinator.example.org:4433 or [::1]:4433",
    ),
    "N305": (
        "the coordinator refused the request",
        "the text of the message is the coordinator's own; its log has more",
    ),
    "N306": (
        "the coordinator is not in a state in which it can answer this",
        "look at `enclasp status`; a manifest is set once, and `enclasp manifest update` changes it",
    ),
    "N307": (
        "the coordinator does not let this client do that",
        "use a client certificate of a user whose roles in the manifest allow it",
    ),
    "N308": (
        "the user's certificate or key cannot be used",
        "both are PEM; the key belongs to the first certificate of the file, and is not encrypted",
    ),
    "U531": (
        "the history is not the one that the root certificate names",
        "an update may have come between: try again; if it stays so, do not trust this coordinator",
    ),
    "U532": (
        "the manifest that you know was never in force here",
        "this is another deployment, or one that was set anew: verify it as if for the first time",
    ),
    "U533": (
        "an update lacks the approvals that the manifest before it demands",
        "ask the people whom that manifest names; do not trust this deployment",
    ),
    "R410": (
        "the coordinator waits for recovery",
        "`enclasp recover` opens its state; `enclasp manifest set --replace` puts it aside",
    ),
    "V130": (
        "the active manifest is not the expected one",
        "compare them: `enclasp manifest get ENDPOINT --out active.yaml` writes the active one byte for byte",
    ),
    "V131": (
        "the TLS certificate is not the root certificate that the evidence is about",
        "somebody may be in the middle: do not send anything; "
        "if a proxy or an ingress ends TLS, make it pass the connection through",
    ),
    "V132": (
        "the root certificate did not sign the intermediate certificate",
        "the answer was put together from parts of different coordinators: do not trust it",
    ),
    "V133": (
        "the root certificate carries no evidence",
        "verify the running coordinator instead of the file, so that it sends its evidence",
    ),
    "V134": (
        "the active manifest is not the one that the root certificate names",
        "the manifest was exchanged on the way, or is being set just now: try again",
    ),
    "V135": (
        "the coordinator's evidence is refused",
        "each check above says what was expected and what was found; "
        "update the reference values only if you know why they changed",
    ),
    "V137": (
        "the root certificate is not signed by its own key",
        "somebody changed it: take it from the coordinator again, with `enclasp certificate root`",
    ),
    "V138": (
        "the coordinator shows another configuration than the one that its evidence holds the digest of",
        "do not trust it: its program, as this version has it, cannot do that",
    ),
    "V136": (
        "no manifest is set",
        "set it with `enclasp manifest set FILE ENDPOINT`, then verify again",
    ),
    "U570": (
        "where the journal stands cannot be read, or is not signed by the coordinator",
        "a coordinator of MarbleRun's or of an older version does not say it; else somebody changed the answer",
    ),
    "U571": (
        "the coordinator's state is older than one that was seen, or another one",
        "`enclasp manifest log` says whether it was restored from a backup, and why; "
        "if you accept that, delete the file that --seen names",
    ),
}
