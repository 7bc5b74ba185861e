"""Who is let in, and who makes room."""

from typing import Any

import pytest

from theodora.web.connections.limits import Alarm
from theodora.web.connections.places import Place, Places


class House:
    """Places, with the names of those who had to go and of the limits that were reached."""

    def __init__(self, most: int, most_of_address: int, *proxies: str) -> None:
        self.gone: list[str] = []
        self.rung: list[Any] = []
        self._places = Places(most, most_of_address, Alarm(self.rung.append), proxies)

    def come(self, name: str, address: str = "192.0.2.1") -> Place:
        place = self._places.take(address, lambda: self.gone.append(name))
        assert place is not None
        return place

    def is_full_for(self, address: str = "192.0.2.1") -> bool:
        return self._places.take(address, lambda: None) is None


def test_who_has_waited_for_longest_makes_room() -> None:
    house = House(2, 9)
    house.come("first")
    house.come("second")
    house.come("third")
    house.come("fourth")
    assert house.gone == ["first", "second"]
    assert house.rung == ["connections"] * 2


def test_who_is_served_keeps_the_place() -> None:
    house = House(2, 9)
    house.come("served").serve()
    house.come("waiting")
    house.come("third").serve()
    assert house.gone == ["waiting"]
    assert house.is_full_for()


def test_who_was_served_waits_from_then_on() -> None:
    house = House(2, 9)
    first = house.come("first")
    house.come("second")
    first.serve()
    first.wait()
    house.come("third")
    assert house.gone == ["second"]


def test_waiting_on_does_not_begin_anew() -> None:
    """Who sends a byte of a head now and then gains nothing."""
    house = House(2, 9)
    first = house.come("first")
    house.come("second")
    first.wait()
    house.come("third")
    assert house.gone == ["first"]


def test_of_one_address_its_own_make_room() -> None:
    house = House(9, 1)
    house.come("other", "192.0.2.2")
    house.come("first")
    house.come("second").serve()
    assert house.gone == ["first"]
    assert house.rung == ["connections of an address"]
    assert house.is_full_for("192.0.2.1")
    assert not house.is_full_for("192.0.2.3")


@pytest.mark.parametrize(
    ("one", "another", "is_the_same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_what_is_one_address(one: str, another: str, is_the_same: bool) -> None:
    house = House(9, 1)
    house.come("one", one).serve()
    assert house.is_full_for(another) == is_the_same


@pytest.mark.parametrize("proxy", ["192.0.2.0/24", "192.0.2.1", "*"])
def test_a_proxy_brings_many_clients(proxy: str) -> None:
    house = House(9, 1, proxy)
    for name in ("first", "second"):
        house.come(name).serve()
    assert house.gone == house.rung == []


def test_a_place_is_free_when_it_is_left_and_only_once() -> None:
    house = House(1, 1)
    place = house.come("first")
    place.serve()
    place.leave()
    place.leave()
    place.wait()
    house.come("second").serve()
    assert house.gone == []
    assert house.is_full_for()
