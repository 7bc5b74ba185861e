"""Makes the pictures of the documentation from the demo's data, at a clock that stands still.

`make screenshots`; with pngquant, which is a package of Debian, they are a third as large.
"""

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import uvicorn

from theodora.app import Built, build
from theodora.cli.demo import load_demo
from theodora.config import load
from theodora.storage import PersonIdentity, SessionLimits
from theodora.storage.access.key_limits import KeyLimits
from theodora.storage.access.permissions import INGEST, READ, WRITE
from theodora.storage.access.principals import person_principal
from theodora.storage.access.sessions import SignInPlace

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browsing import WIDE, chromium, window

IMAGES = Path(__file__).parent / "images"
NOW = datetime(2026, 3, 4, 15, 20, tzinfo=UTC)
PORT = 8089
KEY = "5" * 40
URL = f"http://127.0.0.1:{PORT}"
FAILED = "/deployments?query=env%3Aproduction+%40change_failure%3Atrue"
AUDIT = "/settings/audit?search=actor_kind%3Aperson+-action%3Asession.*"
PEOPLE = (
    # Name, role, teams, browser, whether they are switched off.
    ("Ada Moreau", "owner", (), "Firefox on Linux", False),
    ("Bea Lindqvist", "editor", ("storefront",), "Chrome on macOS", False),
    ("Chidi Okafor", "editor", ("payments", "platform"), "Safari on macOS", False),
    ("Dana Whitfield", "viewer", (), "Edge on Windows", False),
    ("Emil Novak", "viewer", (), "Firefox on Windows", True),
)
API_KEYS = (
    # Name, limits, days until it expires, whether it has been used.
    ("deploy job of checkout", KeyLimits(("checkout",), ("production",)), 90, True),
    ("deploy jobs of payments", KeyLimits(("payments-*",), networks=("192.0.2.0/24",)), 90, True),
    ("alerts", KeyLimits(operations=("failures",)), None, True),
    ("commits of the shop", KeyLimits(repositories=("github.com/acme/*",)), 30, False),
)
PICTURES = (
    # Name, path, what is clicked there, theme. The first lists sessions, and each adds one.
    ("people", "/settings/people", "", "light"),
    ("people-dark", "/settings/people", "", "dark"),
    ("overview", "/", "", "light"),
    ("overview-dark", "/", "", "dark"),
    ("service", "/services/checkout", "", "light"),
    ("explorer", FAILED, "", "light"),
    ("deployment", FAILED, "table.ex-t td.fi a", "light"),
    ("rules", "/settings/rules", "form.rules button", "light"),
    ("data-health", "/data-health", "", "light"),
    ("audit", AUDIT, "", "light"),
    ("audit-dark", AUDIT, "", "dark"),
    ("keys", "/settings/keys", "", "light"),
    ("keys-dark", "/settings/keys", "", "dark"),
)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        _clock_at(NOW),
        _served(Path(folder)),
        chromium() as browser,
    ):
        for name, path, clicked, theme in PICTURES:
            with window(browser, URL, width=WIDE, color_scheme=theme) as opened:
                opened.sign_in(KEY)
                page = opened.go(path)
                if clicked:
                    page.locator(clicked).first.click()
                    page.wait_for_load_state()
                picture = IMAGES / f"{name}.png"
                page.screenshot(path=picture, animations="disabled")
                _compress(picture)


def _compress(picture: Path) -> None:
    """Reduces a picture to 256 colours, where there is a program for that."""
    if program := shutil.which("pngquant"):
        flags = ("--force", "--ext", ".png", "--strip", "--speed", "1", "--quality", "85-100")
        subprocess.run([program, *flags, picture], check=True)  # noqa: S603
    else:
        sys.stderr.write(f"{picture.name}: not compressed, as this machine has no pngquant\n")


@contextmanager
def _clock_at(moment: datetime) -> Iterator[None]:
    with mock.patch("time.time_ns", return_value=_nanoseconds(moment)):
        yield


@contextmanager
def _served(folder: Path) -> Iterator[None]:
    """The server in this process, which has the clock."""
    settings = {"DATABASE": f"sqlite:///{folder / 'theodora.db'}", "BOOTSTRAP_APP_KEY": KEY}
    built = build(load({f"THEODORA_{name}": value for name, value in settings.items()}, {}))
    _add_people(built)
    _add_keys(built)
    _load(built)
    server = uvicorn.Server(uvicorn.Config(built.application, port=PORT, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.05)
        yield
    finally:
        server.should_exit = True
        thread.join()


def _add_people(built: Built) -> None:
    """Who has signed in, and what the owner among them did, an hour after each other."""
    store, org = built.store, built.organisation
    begin = NOW - timedelta(hours=len(PEOPLE))
    owner = PersonIdentity("proxy", PEOPLE[0][0], PEOPLE[0][0]).actor
    for hours, (name, role, teams, browser, is_off) in enumerate(PEOPLE):
        now_ns = _nanoseconds(begin + timedelta(hours=hours))
        identity = PersonIdentity("proxy", name, name, f"{name.split()[0].lower()}@example.org")
        actor = replace(identity.actor, address=f"192.0.2.{hours + 20}")
        with _clock_at(begin + timedelta(hours=hours)):
            person = store.people.sign_in(
                org.name, identity, role, now_ns, teams=teams, may_create=True, actor=actor
            ).result()
            place = SignInPlace(actor.address, browser)
            limits = SessionLimits(idle_ns=10**15, absolute_ns=10**15)
            store.sessions.add(
                person_principal(person), name, now_ns, limits, place, actor=actor
            ).result()
            if is_off:
                by = replace(owner, address="192.0.2.20")
                store.people.disable(org, person.id, now_ns, actor=by).result()


def _add_keys(built: Built) -> None:
    store, org = built.store, built.organisation.name
    now_ns = _nanoseconds(NOW)
    owner = PersonIdentity("proxy", PEOPLE[0][0], PEOPLE[0][0])
    actor = replace(owner.actor, address="192.0.2.20")
    for number, (name, limits, days, is_used) in enumerate(API_KEYS):
        expires_at_ns = None if days is None else _nanoseconds(NOW + timedelta(days=days))
        key = store.keys.add(
            org,
            "api",
            f"thd_api_{number}kQ7mZ",
            name=name,
            permissions=frozenset({INGEST}),
            limits=limits,
            expires_at_ns=expires_at_ns,
            now_ns=now_ns,
            actor=actor,
        ).result()
        if is_used:
            store.keys.note_used(key, now_ns, address=f"192.0.2.{number + 40}", actor=actor)
    store.keys.add(
        org,
        "application",
        "thd_app_8vXw2T",
        name="wallboard",
        permissions=frozenset({READ, WRITE}),
        now_ns=now_ns,
        actor=actor,
    ).result()


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def _load(built: Built) -> None:
    with mock.patch("theodora.cli.demo.datetime") as clock:
        clock.now.return_value = NOW
        load_demo(built.store, built.organisation)


if __name__ == "__main__":
    main()
