"""What can be wrong with a share, with an owner's key, or with what is said about them."""

from coordinator.errors import CodedError
from coordinator.recovery.codes import CODES


class RecoveryError(CodedError):
    """Base of this room's errors.  The text holds nothing of a share or of a private key."""

    codes = CODES
    code = "R420"


class OwnerKeyInvalid(RecoveryError):
    """Not a key that can own a share."""

    code = "R422"


class ShareUnknown(RecoveryError):
    """No owner of this state has this share."""

    code = "R423"


class ShareGiven(RecoveryError):
    """This share was given already; it counts once."""

    code = "R424"


class ProofWrong(RecoveryError):
    """The signature is not the one of the share's owner over what has to be signed."""

    code = "R425"


class OtherState(RecoveryError):
    """Signed for another state than the one that waits here."""

    code = "R426"


class EnvelopeUnreadable(RecoveryError):
    """An encrypted share does not open with this key."""

    code = "R427"


class NoRecoveryKeys(RecoveryError):
    """The state that waits names nobody."""

    code = "R421"


class NothingProven(RecoveryError):
    """A rehearsal's proof is not the one that the question asks for."""

    code = "R429"


class PlanInvalid(RecoveryError):
    """What stands beside the journal about its owners cannot be read, or is not what the journal itself says."""

    code = "R428"


class NoOwner(RecoveryError):
    """Approved by somebody who owns no share."""

    code = "R492"


class ApprovedAlready(RecoveryError):
    """This owner has approved; it counts once."""

    code = "R493"


class NothingDoubted(RecoveryError):
    """No state waits for an approval."""

    code = "R494"


class ApprovalMissing(RecoveryError):
    """Shares open a state that may not be the newest, and too few of their owners have signed for that very state."""

    code = "R495"


class NothingLocked(RecoveryError):
    """The state is open: no share is needed, or wanted."""

    code = "R496"
