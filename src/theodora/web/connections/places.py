"""Places for connections, limited in total and for each address.

A new connection is rejected only if all others are being served. Otherwise the connection that has
waited longest (for a request's head, or idle) is closed, so silent connections, however many, block
nobody.
"""

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from theodora.web.connections.limits import Alarm


class Place:
    """One connection's."""

    def __init__(self, places: "Places", origin: "_Origin", give_up: Callable[[], None]) -> None:
        self._places = places
        self._origin = origin
        self.give_up = give_up
        """Ends the connection that has the place."""
        self._is_taken = True
        self.wait()

    def wait(self) -> None:
        """From now on the connection can make room; if it could before, since then."""
        if self._is_taken:
            self._places.waiting.setdefault(self)
            self._origin.waiting.setdefault(self)

    def serve(self) -> None:
        self._places.waiting.pop(self, None)
        self._origin.waiting.pop(self, None)

    def leave(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self.serve()
            self._places.free(self._origin)


class _Origin:
    """The connections of one address."""

    def __init__(self, key: bytes | str) -> None:
        self.key = key
        self.count = 0
        self.waiting: dict[Place, None] = {}


class Places:
    """All places, and the connections that wait, in order."""

    def __init__(
        self, most: int, most_of_address: int, alarm: Alarm, proxies: tuple[str, ...] = ()
    ) -> None:
        """Connections of `proxies`, addresses or networks or `*`, are those of many clients."""
        self._most = most
        self._most_of_address = most_of_address
        self._alarm = alarm
        self._is_proxy = lru_cache(1024)(_is_one_of(proxies))
        self._count = 0
        self._origins: dict[bytes | str, _Origin] = {}
        self.waiting: dict[Place, None] = {}

    def take(self, address: str, give_up: Callable[[], None]) -> Place | None:
        """A place for a new connection; None if all others are being served."""
        key = _origin_of(address)
        origin = self._origins.get(key) or _Origin(key)
        # A proxy's address carries many clients, so only the limit for all applies to it.
        if origin.count >= self._most_of_address and not self._is_proxy(address):
            self._alarm.ring("connections of an address", address)
            if not self.make_room(origin.waiting):
                return None
        if self._count >= self._most:
            self._alarm.ring("connections", address)
            if not self.make_room():
                return None
        self._count += 1
        origin.count += 1
        self._origins[key] = origin
        return Place(self, origin, give_up)

    def make_room(self, waiting: dict[Place, None] | None = None) -> bool:
        """Ends the connection that has waited for longest, if one waits."""
        place = next(iter(self.waiting if waiting is None else waiting), None)
        if place is None:
            return False
        # First, so that the place is free at once: the connection itself closes later.
        place.leave()
        place.give_up()
        return True

    def free(self, origin: _Origin) -> None:
        self._count -= 1
        origin.count -= 1
        if not origin.count:
            del self._origins[origin.key]


def _origin_of(address: str) -> bytes | str:
    """The address to count; for IPv6 the network of one host."""
    if ":" not in address:
        return address
    host = IPv6Address(address.partition("%")[0])
    # One host commonly has a /64: single addresses of it would evade the limit.
    return str(host.ipv4_mapped) if host.ipv4_mapped else host.packed[:8]


def _is_one_of(proxies: tuple[str, ...]) -> Callable[[str], bool]:
    if proxies == ("*",):
        return lambda _: True
    networks = [ip_network(proxy) for proxy in proxies]
    return lambda address: any(ip_address(address.partition("%")[0]) in net for net in networks)
