"""`Config.UpdateThreshold`: can so many ever approve an update of this manifest?"""

from collections.abc import Mapping

from coordinator.manifest.approvers import people, people_words, updaters
from coordinator.manifest.model import User
from coordinator.manifest.reading import Reading
from coordinator.manifest.view import View


def check_threshold(reading: Reading, manifest: View, users: Mapping[str, User]) -> None:
    """A finding if it is more than there are: users by MarbleRun's rule (contract, 3.9), or people, by their keys."""
    config = manifest.view("Config")
    threshold = config.number("UpdateThreshold") or 0
    able = updaters(users.values())
    named, persons = _named(manifest), len(people(able))
    place, hint = config.place("UpdateThreshold"), "give more users a Manifest role, or lower it"
    if threshold > named:
        message = f"UpdateThreshold {threshold} is more than the {named} users who may update the manifest"
        reading.refuse("E027", place, message, hint)
    elif threshold > persons and not any(reading.is_refused(section, below=True) for section in ("/Users", "/Roles")):
        message = (
            f"UpdateThreshold {threshold} is more than the people who may update the manifest; "
            f"counted by their keys, {persons}: {people_words(able)}"
        )
        reading.remark("E027", place, message, hint)


def _named(manifest: View) -> int:
    """Users with a Manifest role whose first action is UpdateManifest."""
    roles = set()
    for member in manifest.members("Roles"):
        role = View(member.node, member.place)
        first = role.texts("Actions")[:1]
        if role.text("ResourceType") == "Manifest" and [text.lower() for text in first] == ["updatemanifest"]:
            roles.add(member.key)
    users = (View(member.node, member.place).texts("Roles") for member in manifest.members("Users"))
    return sum(1 for names in users if roles & set(names))
