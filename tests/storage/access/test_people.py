"""People: who is let in, what signing in changes, and what switching off ends."""

import pytest

from actors import TESTER
from databases import ON_SQLITE
from theodora.errors import Invalid, NotFound, SignInRefused
from theodora.storage import Organisation, Person, PersonIdentity, SessionLimits, Store
from theodora.storage.access.people import MAX_NAME
from theodora.storage.access.principals import key_principal, person_principal
from theodora.storage.access.sessions import SignInPlace

LIMITS = SessionLimits(idle_ns=10**12, absolute_ns=10**12)
ADA = PersonIdentity("https://id.example", "ada-1", "Ada", "ada@example.org")


def sign_in(
    store: Store,
    org: Organisation,
    identity: PersonIdentity = ADA,
    role: str = "viewer",
    now_ns: int = 1,
    *,
    may_create: bool = True,
) -> Person:
    return store.people.sign_in(
        org.name, identity, role, now_ns, may_create=may_create, actor=identity.actor
    ).result()


def test_signing_in_creates_a_person_once_and_follows_the_provider(
    store: Store, org: Organisation
) -> None:
    first = sign_in(store, org)
    again = sign_in(store, org, ADA._replace(name="Ada L."), "admin", 2, may_create=False)
    assert (first.role.name, again.role.name) == ("viewer", "admin")
    assert again == first._replace(name="Ada L.", role=again.role, last_seen_at_ns=2)
    assert store.people.find(org, ADA.issuer, ADA.subject) == again
    assert store.people.all_of(org) == [again]
    assert store.people.find(org, "https://other.example", ADA.subject) is None


@ON_SQLITE
def test_a_role_that_somebody_set_stays_until_it_is_given_back(
    store: Store, org: Organisation
) -> None:
    id_ = sign_in(store, org).id
    store.people.set_role(org, id_, "owner", actor=TESTER).result()
    assert sign_in(store, org, role="editor").role.name == "owner"
    store.people.set_role(org, id_, None, actor=TESTER).result()
    assert sign_in(store, org, role="editor").role.name == "editor"
    with pytest.raises(Invalid, match='role "king" must be one of'):
        store.people.set_role(org, id_, "king", actor=TESTER)


@ON_SQLITE
def test_nobody_new_is_let_in_where_that_is_refused(store: Store, org: Organisation) -> None:
    with pytest.raises(SignInRefused, match="nobody new"):
        sign_in(store, org, may_create=False)
    assert store.people.all_of(org) == []


def test_switching_off_ends_the_sessions_of_the_person_alone(
    store: Store, org: Organisation
) -> None:
    ada, bob = sign_in(store, org), sign_in(store, org, PersonIdentity("proxy", "bob"))
    for person in (ada, bob):
        store.sessions.add(
            person_principal(person), f"of {person.title}", 1, LIMITS, actor=TESTER
        ).result()
    store.people.disable(org, ada.id, 7, actor=TESTER).result()
    assert store.sessions.find("of Ada", 2, LIMITS) is None
    assert store.sessions.find("of bob", 2, LIMITS)
    with pytest.raises(SignInRefused, match="switched off"):
        sign_in(store, org)
    store.people.enable(org, ada.id, actor=TESTER).result()
    assert store.sessions.find("of Ada", 2, LIMITS) is None
    assert sign_in(store, org).disabled_at_ns is None


def test_a_session_has_the_permissions_that_the_person_has_now(
    store: Store, org: Organisation
) -> None:
    ada = sign_in(store, org)
    place = SignInPlace("2001:db8::1", "Firefox on Linux")
    store.sessions.add(person_principal(ada), "secret", 1, LIMITS, place, actor=ada.actor).result()
    session = store.sessions.find("secret", 2, LIMITS)
    assert session
    assert session.principal == person_principal(ada)
    assert session.place == place
    store.people.set_role(org, ada.id, "owner", actor=TESTER).result()
    session = store.sessions.find("secret", 2, LIMITS)
    assert session
    assert session.principal.may("dora_organisation_write")
    store.sessions.note_seen(session, 9, actor=ada.actor).result()
    assert store.people.get(org, ada.id).last_seen_at_ns == 9


def test_sessions_are_listed_and_ended_one_by_one(store: Store, org: Organisation) -> None:
    key = store.keys.add(
        org.name, "application", "s", name="", permissions=frozenset(), now_ns=1, actor=TESTER
    ).result()
    for principal, now_ns in ((key_principal(key), 1), (person_principal(sign_in(store, org)), 2)):
        store.sessions.add(
            principal, f"at {now_ns}", now_ns, SessionLimits(10**15, 10**15), actor=TESTER
        ).result()
    later, earlier = store.sessions.all_of(org, 3, LIMITS)
    assert (later.principal.name, earlier.principal.key) == ("Ada", key)
    assert store.sessions.all_of(org, 1 + LIMITS.idle_ns, LIMITS) == [later]
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    with pytest.raises(NotFound):
        store.sessions.end_by_id(other, later.id, actor=TESTER).result()
    store.sessions.end_by_id(org, later.id, actor=TESTER).result()
    assert store.sessions.all_of(org, 3, LIMITS) == [earlier]


@ON_SQLITE
def test_long_names_are_cut_and_empty_ones_replaced(store: Store, org: Organisation) -> None:
    long = sign_in(store, org, PersonIdentity("proxy", "x", "n" * 999, "e" * 999))
    assert (len(long.name), len(long.email)) == (MAX_NAME, MAX_NAME)
    assert sign_in(store, org, PersonIdentity("proxy", "nameless")).title == "nameless"


def test_a_person_is_signed_out_of_one_organisation(store: Store, org: Organisation) -> None:
    other = store.keys.ensure_organisation("another", 1, actor=TESTER).result()
    bob = ADA._replace(subject="bob")
    for each, identity in ((org, ADA), (other, ADA), (org, bob)):
        person = sign_in(store, each, identity)
        secret = f"{each.name} {identity.subject}"
        principal = person_principal(person)
        store.sessions.add(principal, secret, 1, LIMITS, actor=person.actor).result()
    store.sessions.end_of_person(org, ADA.person_id, actor=TESTER).result()
    (left,) = store.sessions.all_of(org, 2, LIMITS)
    assert left.principal.person
    assert left.principal.person.subject == "bob"
    assert len(store.sessions.all_of(other, 2, LIMITS)) == 1
