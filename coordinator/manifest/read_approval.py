"""Secrets that a user reads only when others have approved it: the terms, and whether they can ever be met."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from coordinator.manifest.approvers import people, people_words, read_approvers
from coordinator.manifest.document import step
from coordinator.manifest.duration import parse_duration
from coordinator.manifest.model import ReadApproval, Secret, User
from coordinator.manifest.reading import Reading
from coordinator.manifest.view import View


def read_approval(reading: Reading, name: str, view: View, *, readable: bool) -> ReadApproval | None:
    """The terms of one secret; None where it has none.  readable: whether users can read this kind of secret at all."""
    if not view.has("ReadApproval"):
        return None
    if not readable:
        message = f'secret "{name}" has a ReadApproval, but each marble has it for itself and no user reads it'
        reading.refuse("V311", view.place("ReadApproval"), message, "remove it, or make the secret Shared")
    terms = view.view("ReadApproval")
    expiry, delay = (_time(reading, name, terms, key) for key in ("Expiry", "Delay"))
    return ReadApproval(
        terms.number("Threshold") or 1,  # that it is absent is an error already
        DEFAULT_EXPIRY if expiry is None else expiry,
        timedelta(0) if delay is None else delay,
    )


def check_approvals(reading: Reading, manifest: View, secrets: Mapping[str, Secret], users: Mapping[str, User]) -> None:
    """A finding for each secret whose threshold is more than the people who may approve.

    Two users with one key are one person, as they are when approvals are counted.
    """
    if any(reading.is_refused(section, below=True) for section in ("/Users", "/Roles")):
        return
    for member in manifest.members("Secrets"):
        terms = secrets[member.key].read_approval
        where = step(member.place.pointer, "ReadApproval")
        if terms is None or reading.is_refused(where) or reading.is_refused(where, below=True):
            continue
        approvers = read_approvers(users.values(), member.key)
        able = len(people(approvers))
        if terms.threshold > able:
            message = (
                f'secret "{member.key}": {terms.threshold} people must approve that it is read, '
                f"but {able} may: {people_words(approvers) or 'nobody'}"
            )
            place = View(member.node, member.place).view("ReadApproval").place("Threshold")
            reading.refuse("V310", place, message, "give more users a role with ApproveRead for it, or lower Threshold")


def _time(reading: Reading, name: str, terms: View, key: str) -> timedelta | None:
    text = terms.text(key)
    if not text:
        return None
    time = parse_duration(text)
    if time > MOST:
        message = f'secret "{name}": a request to read it cannot have the {key} {text}'
        reading.refuse("V312", terms.place(key), message, f"at most {MOST.days}d")
    return time


DEFAULT_EXPIRY: Final = timedelta(days=1)
MOST: Final = timedelta(days=90)
