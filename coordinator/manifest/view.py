"""A shaped map, read by field.  Types are known, since shape.py let only fitting values through."""

from coordinator.manifest.document import ListNode, MapNode, Member, Node, Place, ScalarNode


class View:
    """Fields of one map.  owner: place of the key that holds it, for remarks about the whole."""

    def __init__(self, node: Node | None, owner: Place) -> None:
        self.owner = owner
        self._members = node.by_key() if isinstance(node, MapNode) else {}

    def has(self, key: str) -> bool:
        """Whether the field is given."""
        return key in self._members

    def text(self, key: str) -> str:
        """A text field; empty where it is absent."""
        value = self._scalar(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int | None:
        """A whole number, or None where it is absent."""
        value = self._scalar(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(self, key: str) -> bool:
        """A boolean; False where it is absent."""
        return self._scalar(key) is True

    def node(self, key: str) -> Node | None:
        """The value as it stands in the document."""
        member = self._members.get(key)
        return member.node if member else None

    def place(self, key: str) -> Place:
        """Where the value stands, else where the whole does."""
        member = self._members.get(key)
        if member is None:
            return self.owner
        return member.node.place if isinstance(member.node, ScalarNode) else member.place

    def view(self, key: str) -> "View":
        """A field that is a map itself; empty where it is absent."""
        member = self._members.get(key)
        return View(member.node, member.place) if member else View(None, self.owner)

    def members(self, key: str) -> tuple[Member, ...]:
        """The entries of a field that is a map by name, each once."""
        node = self.node(key)
        return tuple(node.by_key().values()) if isinstance(node, MapNode) else ()

    def items(self, key: str) -> tuple[Node, ...]:
        """The elements of a list."""
        node = self.node(key)
        return node.items if isinstance(node, ListNode) else ()

    def is_empty_list(self, key: str) -> bool:
        """Whether the field is a list without elements."""
        node = self.node(key)
        return isinstance(node, ListNode) and not node.items

    def texts(self, key: str) -> tuple[str, ...]:
        """The elements of a list of texts."""
        return tuple(str(item.value) for item in self.items(key) if isinstance(item, ScalarNode))

    def keys(self) -> tuple[str, ...]:
        """Names of the fields that are given."""
        return tuple(self._members)

    def _scalar(self, key: str) -> object:
        node = self.node(key)
        return node.value if isinstance(node, ScalarNode) else None
