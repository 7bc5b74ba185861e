"""`theodora links`: the links of an organisation, and revoking one."""

import time

from actors import TESTER
from commands import Run
from theodora.storage import PersonIdentity, Store
from theodora.storage.access.permissions import READ
from theodora.storage.access.principals import person_principal

ADA = PersonIdentity("proxy", "ada", "Ada", "ada@example.org")


def test_links_are_listed_and_revoked(run: Run, url: str) -> None:
    now_ns = time.time_ns()
    with Store(url) as store:
        for name in ("default", "other"):
            org = store.organisations.create(name, now_ns, actor=TESTER).result()
            ada = store.people.sign_in(
                org.name, ADA, "editor", now_ns, may_create=True, actor=TESTER
            ).result()
            store.share_links.add(
                person_principal(ada),
                *(f"secret of {name}", "/deployments", f"query=service:{name}"),
                expires_at_ns=now_ns + 10**15,
                now_ns=now_ns,
                actor=TESTER,
            ).result()
    [_, line] = run("links", "list").stdout.splitlines()
    assert "/deployments?query=service:default  Ada" in line
    assert line.endswith("never        active")
    id_ = line.split()[0]
    assert run("links", "revoke", id_, "--org", "other").exit_code == 1
    assert run("links", "revoke", id_).stdout == f"revoked {id_}\n"
    assert run("links", "revoke", id_).exit_code == 1
    assert run("links", "list").stdout.rstrip().endswith("revoked")
    with Store(url) as store:
        people = store.people
        assert store.share_links.find("secret of default", now_ns) is None
        link = store.share_links.find("secret of other", now_ns)
        assert link
        assert link.maker
        assert link.maker.person
        assert link.reader.permissions == {READ}
        org, id_ = link.maker.organisation, link.maker.person.id
        people.set_role(org, id_, "viewer", actor=TESTER).result()
        assert store.share_links.find("secret of other", now_ns) is None
        people.set_role(org, id_, "admin", actor=TESTER).result()
        assert store.share_links.find("secret of other", now_ns)
        people.disable(org, id_, now_ns, actor=TESTER).result()
        assert store.share_links.find("secret of other", now_ns) is None
