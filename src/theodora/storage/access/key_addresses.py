"""Addresses that keys are used from: the last ones of each key."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

from theodora.events.values import DAY_NS
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation

KEPT_ADDRESSES = 20
"""Most addresses of a key; those used last are kept."""
NEW_FOR_DAYS = 7
"""How long an address is new, if the key was used from others before."""
_FORGOTTEN_AFTER_NS = 90 * DAY_NS


class KeyAddress(NamedTuple):
    """An address that a key was used from."""

    address: str
    """Of IPv6 the network of 64 bits, which is what one client has."""
    first_at_ns: int
    last_at_ns: int
    is_further: bool
    """Whether the key was used from another address before."""

    def is_new(self, now_ns: int) -> bool:
        return self.is_further and now_ns - self.first_at_ns < NEW_FOR_DAYS * DAY_NS


def note_address(cursor: Cursor, org: Organisation, key_id: str, address: str, now_ns: int) -> None:
    """Stores a use; forgets addresses that are beyond the bound, or old."""
    of_key = org.key, key_id
    cursor.execute(
        "INSERT INTO key_addresses (org, key_id, address, first_at_ns, last_at_ns) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (org, key_id, address) DO UPDATE SET "
        # Clocks are set back, and another server may have noted a later use.
        "last_at_ns = CASE WHEN excluded.last_at_ns > key_addresses.last_at_ns "
        "THEN excluded.last_at_ns ELSE key_addresses.last_at_ns END",
        (*of_key, _network_of(address), now_ns, now_ns),
    )
    cursor.execute(
        "DELETE FROM key_addresses WHERE org = ? AND key_id = ? AND (last_at_ns < ? "
        "OR address NOT IN (SELECT address FROM key_addresses WHERE org = ? AND key_id = ? "
        "ORDER BY last_at_ns DESC, address LIMIT ?))",
        (*of_key, now_ns - _FORGOTTEN_AFTER_NS, *of_key, KEPT_ADDRESSES),
    )


def read_addresses(cursor: Cursor, org: Organisation) -> Mapping[str, Sequence[KeyAddress]]:
    """By the id of the key, the address used last first."""
    rows = cursor.execute(
        "SELECT key_id, address, first_at_ns, last_at_ns, first_at_ns > min(first_at_ns) "
        "OVER (PARTITION BY key_id) FROM key_addresses WHERE org = ? "
        "ORDER BY key_id, last_at_ns DESC, address",
        (org.key,),
    )
    found: dict[str, list[KeyAddress]] = defaultdict(list)
    for key_id, *values, is_further in rows.fetchall():
        found[key_id].append(KeyAddress(*values, is_further=bool(is_further)))
    return found


def _network_of(address: str) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None:
        return str(ip_network((ip, 64), strict=False))
    return str(getattr(ip, "ipv4_mapped", None) or ip)
