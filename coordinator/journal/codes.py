"""Message codes that this room raises: code -> (title, hint)."""

from collections.abc import Mapping
from typing import Final

NO_SEALING_KEY: Final = "R407"
OLDER_STATE: Final = "R490"
LEADER_IS_OLDER: Final = "R497"

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "R401": (
        "the key of the journal cannot be unwrapped here",
        "recover with the manifest's recovery keys, or start the coordinator where it was sealed",
    ),
    "R402": ("this key is not the journal's", "recover with the recovery secret of this deployment"),
    "R403": (
        "the journal is damaged or was tampered with",
        "restore the state directory as a whole from a backup; never edit or mix its files",
    ),
    "R404": (
        "somebody else wrote to the journal",
        "stop every other coordinator that uses this state, then restart this one",
    ),
    "R405": (
        "the state directory cannot be read or written",
        "check its name, free space, permissions and the disk, then start again; what was acknowledged is safe",
    ),
    "R406": (
        "another process uses this state directory",
        "stop the other coordinator, or give this one a state directory of its own",
    ),
    "R431": (
        "a key source does not answer",
        "check the device or token, its settings in the coordinator's configuration, and who may use it",
    ),
    NO_SEALING_KEY: (
        "this environment has no sealing key for the manifest's seal mode",
        "set Config/SealMode to Disabled (the state then lives in memory only), or run where there is such a key",
    ),
    "R451": (
        "a write failed, and nobody knows whether it was kept",
        "repair the disk and restart the coordinator: its state then says what was kept",
    ),
    "R452": (
        "a backup cannot be used here",
        "take a file that `enclasp journal backup` wrote; where a state is there already, --replace keeps it aside",
    ),
    "R453": (
        "a journal's records make no state that this version knows",
        "use the version of Enclasp that wrote it, or a newer one",
    ),
    OLDER_STATE: (
        "the sealed state may not be the newest, and waits for approval",
        "find out why; bring the newest state back, or approve this one: its owners with `enclasp recovery approve`, "
        "or, where the manifest names none, the operator with `enclasp journal accept`",
    ),
    "R491": (
        "the witness of the state does not answer, or remembers another record",
        "check the TPM and its settings, and that no copy of this coordinator uses it; what was acknowledged is safe",
    ),
    LEADER_IS_OLDER: (
        "the replica that leads serves a state that is older than one which another replica has seen",
        "find out why: an older state was put back, and the leader was started after that, so it could not know; "
        "end the leader, and the replica that has seen the newer state leads and asks for approval",
    ),
    "R498": (
        "the stored state was exchanged under a running coordinator",
        "find out who restored or changed the Secrets (a restore of etcd does that); bring the newest state back, or "
        "approve the one that is there as `enclasp explain R490` says",
    ),
    "R499": (
        "the state that this replica has seen is gone",
        "bring it back; to begin anew without it end all replicas at once (scale to none), then start them again",
    ),
    "R450": (
        "kept evidence is missing or was changed",
        "restore the evidence folder from a backup; the journal itself, and what it decides, is not touched by this",
    ),
}
