"""The order in which marked sequences are derived."""

from theodora.storage import Organisation
from theodora.storage.derivation.backlog import Backlog
from theodora.storage.facts.derivation_queue import Changed, SequenceKey

ORGS = {name: Organisation(key, f"uuid {name}", name) for key, name in enumerate("abc", 1)}


def key(name: str) -> SequenceKey:
    """Of `a1` the sequence of service 1 in organisation a."""
    return SequenceKey(ORGS[name[0]], name[1:], None)


def changed(number: int) -> Changed:
    return Changed(oldest=number, up_to=number, deployments=frozenset({number}))


def add(backlog: Backlog, *names: str) -> None:
    start = max(backlog.up_to.values(), default=0) + 1
    backlog.add({key(name): changed(number) for number, name in enumerate(names, start)})


def take(backlog: Backlog) -> str:
    """The name of the next sequence; empty if there is none."""
    taken = backlog.take(lambda _key, _changed: True)
    return taken[0].org.name + taken[0].service if taken else ""


def take_all(backlog: Backlog) -> list[str]:
    return list(iter(lambda: take(backlog), ""))


def test_organisations_take_turns_and_each_begins_with_what_was_marked_first() -> None:
    backlog = Backlog()
    add(backlog, "a1", "a2", "a3", "b1", "c1", "c2")
    assert take_all(backlog) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_one_that_has_not_been_served_is_next() -> None:
    backlog = Backlog()
    add(backlog, "a1", "a2", "a3")
    assert take(backlog) == "a1"
    add(backlog, "b1")
    assert take_all(backlog) == ["b1", "a2", "a3"]


def test_organisations_that_come_again_and_again_leave_others_their_turn() -> None:
    backlog = Backlog()
    add(backlog, "a1", "a2", "b1", "c1")
    taken: list[str] = []
    for number in range(6):
        taken.append(take(backlog))
        add(backlog, f"b{number + 2}", f"c{number + 2}")
    assert taken == ["a1", "b1", "c1", "a2", "b2", "c2"]


def test_marks_of_a_sequence_that_waits_are_joined() -> None:
    backlog = Backlog()
    add(backlog, "a1", "a2")
    add(backlog, "a1")
    assert backlog.up_to == {1: 3}
    taken = backlog.take(lambda _key, _changed: True)
    assert taken == (key("a1"), Changed(oldest=1, up_to=3, deployments=frozenset({1, 3})))


def test_what_is_not_ripe_stays_and_holds_up_no_other() -> None:
    backlog = Backlog()
    add(backlog, "a1", "a2", "b1")
    for expected in ("a2", "b1"):
        taken = backlog.take(lambda name, _changed: name != key("a1"))
        assert taken is not None
        assert taken[0] == key(expected)
    assert backlog.take(lambda name, _changed: name != key("a1")) is None
    assert take_all(backlog) == ["a1"]
