"""Where something stands in a document, by the path of keys that leads to it."""

from coordinator.manifest.document import ListNode, MapNode, Member, Node, Place, ScalarNode


class Places:
    """Finds places in a tree.  Keys that are written in another letter case are found too, as MarbleRun finds them."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._maps: dict[int, dict[str, Member]] = {}

    def key(self, *path: str | int) -> Place:
        """The place of the last key (of the value, in a list); of the nearest one above, where it does not exist."""
        return self._walk(path)[0]

    def value(self, *path: str | int) -> Place:
        """The place of a single value; of its key, where the value is a map or a list."""
        place, node = self._walk(path)
        return node.place if isinstance(node, ScalarNode) else place

    def node(self, *path: str | int) -> Node | None:
        """The value itself, or None where it does not exist."""
        return self._walk(path)[1]

    def _walk(self, path: tuple[str | int, ...]) -> tuple[Place, Node | None]:
        place, node = self._root.place, self._root
        for part in path:
            if isinstance(node, MapNode):
                member = self._member(node, str(part))
                if member is None:
                    return place, None
                place, node = member.place, member.node
            elif isinstance(node, ListNode) and str(part).isdecimal() and int(part) < len(node.items):
                node = node.items[int(part)]
                place = node.place
            else:
                return place, None
        return place, node

    def _member(self, node: MapNode, key: str) -> Member | None:
        """Each map is indexed once: a manifest has thousands of marbles in one."""
        index = self._maps.get(id(node))
        if index is None:
            index = {member.key.casefold(): member for member in node.members}
            index.update((member.key, member) for member in node.members)
            self._maps[id(node)] = index
        return index.get(key) or index.get(key.casefold())
