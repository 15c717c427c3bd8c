"""Message codes that this room raises: code -> (title, hint)."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "R420": ("recovery was refused", "the text says what was expected; a refused share changes nothing"),
    "R421": (
        "this state has no recovery keys",
        "its manifest names none: only the key sources that sealed it open it; a new manifest replaces it",
    ),
    "R422": ("this key cannot own a share", "RSA of 2048 bits or more; EC P-256 or P-384, or X25519"),
    "R423": (
        "nobody's share",
        "take the file that came with the manifest in force: the shares of an earlier one, or of another deployment, "
        "recover nothing here",
    ),
    "R424": ("this share was given already", "another owner's share is needed; `enclasp recovery show` says whose"),
    "R425": ("the signature is not the owner's", "sign with the key whose public half is in the manifest"),
    "R426": (
        "signed for another state",
        "the state directory holds another journal, or an older or newer one, than the owner saw: find out why, then "
        "sign again",
    ),
    "R427": (
        "an encrypted share does not open",
        "it was encrypted for another key, or is damaged; for `recover-with-signature`, get the coordinator's "
        "public key again: it is a new one after each start",
    ),
    "R428": (
        "what stands beside the journal about its owners is wrong",
        "restore the state directory as a whole from a backup",
    ),
    "R429": (
        "the rehearsal proves nothing",
        "open your own share with your own key; a proof counts for one question only, so ask again",
    ),
    "R430": (
        "recovered, but nothing of this machine seals the state",
        "the next start needs the owners again: give the coordinator a key source (see docs/operations.md)",
    ),
    "R492": (
        "approved by nobody who owns a share",
        "an owner of a recovery key of the state's manifest approves it; `enclasp recovery show` names them",
    ),
    "R493": ("this owner has approved already", "another owner is needed; `enclasp recovery show` says who"),
    "R494": ("no state waits for an approval", "`enclasp status` says what the coordinator waits for"),
    "R495": (
        "a state that may not be the newest was recovered without approval of that state",
        "give all shares again, with signatures that name the state: `enclasp recover` does so, and "
        "`enclasp recovery sign-share --state`",
    ),
    "R496": (
        "a share was given, and the state is not locked",
        "the state waits for approvals: `enclasp recovery approve`, which sends no share",
    ),
}
