"""Who asks for a write of the store."""

from dataclasses import dataclass
from typing import Literal

ActorKind = Literal["key", "person", "source", "command", "worker"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Goes with every write to its commit, which is where a log of writes would read it."""

    kind: ActorKind
    name: str
    """A key's name, a person's, that of a source, a command as it is typed, or a worker's name."""
    id: str = ""
    """Of a key, a source or a person; of a command the user of the operating system who runs it."""
    address: str = ""
    """The IP address of the client; empty without a request, and for what only sends data."""

    def at(self, address: str) -> "Actor":
        """The same one, asking from this address."""
        return Actor(self.kind, self.name, self.id, address)


UPKEEP = Actor("worker", "upkeep")
"""The store itself: indexing, default teams, changes by an upgrade."""
