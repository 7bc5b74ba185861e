"""Mirrors: what is fetched, from where, and with what."""

import random
import socket
import struct
import threading
import time
import zlib
from base64 import b64encode
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest

from loopback import answering
from repositories import GitRepository, make_repository
from theodora.errors import Invalid
from theodora.git import GitError, MirrorStore, process, protocol_of

ID = "example.org/app"


@pytest.fixture
def mirrors(tmp_path: Path) -> MirrorStore:
    return MirrorStore(tmp_path / "git")


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    repository = make_repository(tmp_path / "repository")
    repository.git("config", "uploadpack.allowFilter", "true")
    repository.commit("Begin", {"README": "1", "web/app.py": "1"})
    repository.commit("Fix the app", {"web/app.py": "2"})
    return repository


def test_a_mirror_has_the_commits_of_all_branches_and_tags(
    mirrors: MirrorStore, repository: GitRepository
) -> None:
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit("On the side", {"side.py": "1"})
    repository.tag("v1", "-a", "-m", "The first")
    repository.git("checkout", "--quiet", "main")
    repository.git("branch", "--quiet", "-D", "side")
    history = mirrors.fetch("org", ID, f"file://{repository.path}")
    commits = history.commits(history.every_sha())
    assert {commit.sha: commit for commit in commits} == repository.log()


def test_long_files_and_links_at_the_head_are_left_out(
    mirrors: MirrorStore, repository: GitRepository
) -> None:
    (repository.path / "link").symlink_to("README")
    repository.commit("Add a long one and a link", {"long": "x" * (2**20 + 1)})
    url = f"file://{repository.path}"
    mirrors.fetch("org", ID, url)
    files = mirrors.changed_files("org", ID, url, lambda paths: paths)
    assert files == {"README": b"1", "web/app.py": b"2"}


def test_a_mirror_of_a_shallow_clone_says_where_it_is_cut_until_that_has_more(
    mirrors: MirrorStore, repository: GitRepository, tmp_path: Path
) -> None:
    clone, url = tmp_path / "clone", f"file://{tmp_path / 'clone'}"
    repository.git("clone", "--quiet", "--depth", "1", f"file://{repository.path}", str(clone))
    repository.git("-C", str(clone), "config", "uploadpack.allowFilter", "true")
    history = mirrors.fetch("org", ID, url)
    (cut,) = history.commits(history.every_sha())
    assert cut.is_shallow
    assert cut.parents == (repository.sha("HEAD~"),)
    repository.git("-C", str(clone), "fetch", "--quiet", "--unshallow")
    history = mirrors.fetch("org", ID, url)
    assert [each.is_shallow for each in history.commits(history.every_sha())] == [False, False]


def test_a_mirror_has_no_files(
    mirrors: MirrorStore, repository: GitRepository, tmp_path: Path
) -> None:
    mirrors.fetch("org", ID, f"file://{repository.path}")
    (folder,) = (tmp_path / "git" / "mirrors").iterdir()
    objects = repository.git(
        *(f"--git-dir={folder}", "cat-file", "--batch-all-objects"),
        "--batch-check=%(objecttype)",
    )
    assert set(objects.split()) == {b"commit", b"tree"}


def test_fetching_again_brings_what_is_new(mirrors: MirrorStore, repository: GitRepository) -> None:
    url = f"file://{repository.path}"
    before = set(mirrors.fetch("org", ID, url).every_sha())
    sha = repository.commit("Later", {"README": "2"})
    history = mirrors.fetch("org", ID, url)
    assert set(history.every_sha()) - before == {sha}
    assert history.commits([sha])[0].paths == ("README",)


def test_a_branch_that_was_rewritten_is_followed(
    mirrors: MirrorStore, repository: GitRepository
) -> None:
    url = f"file://{repository.path}"
    mirrors.fetch("org", ID, url)
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    sha = repository.commit("Fix it otherwise", {"web/app.py": "3"})
    assert sha in mirrors.fetch("org", ID, url).every_sha()


def test_what_cannot_be_fetched_is_said(mirrors: MirrorStore, tmp_path: Path) -> None:
    with pytest.raises(GitError, match=r"^'.*nothing' does not appear to be a git repository$"):
        mirrors.fetch("org", ID, f"file://{tmp_path / 'nothing'}")


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("https://github.com/acme/app.git", "https"),
        ("HTTPS://github.com/acme/app.git", "https"),
        ("ssh://git@github.com/acme/app.git", "ssh"),
        ("git@github.com:acme/app.git", "ssh"),
        ("github.com:acme/app", "ssh"),
        ("/srv/git/app.git", "file"),
        ("file:///srv/git/app.git", "file"),
    ],
)
def test_a_url_tells_how_its_repository_is_reached(url: str, protocol: str) -> None:
    assert protocol_of(url) == protocol


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://user:secret@github.com/acme/app.git", "it holds credentials"),
        ("https://token@github.com/acme/app.git", "it holds credentials"),
        ("ssh://git:secret@github.com/acme/app.git", "it holds credentials"),
        ("ext::sh -c touch% /tmp/x", "neither a URL nor an absolute path"),
        ("ext::touch", "neither a URL nor an absolute path"),
        ("ext://host/path", 'fetched over "ext"'),
        ("--upload-pack=touch", "neither a URL nor an absolute path"),
        ("-oProxyCommand=x:y", "neither a URL nor an absolute path"),
        ("https://github.com/acme/app\n.git", "characters"),
        ("relative/path", "neither a URL nor an absolute path"),
        ("", "neither a URL nor an absolute path"),
    ],
)
def test_a_url_that_a_mirror_cannot_have_is_refused(url: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        protocol_of(url)


def _line(text: str) -> bytes:
    """As git frames it: its length in front."""
    return f"{len(text) + 4:04x}{text}".encode()


class _Endless(BaseHTTPRequestHandler):
    """A repository that has a million objects, sent until nobody reads them any more."""

    given_up: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        self.end_headers()
        self.wfile.write(_line("# service=git-upload-pack\n") + b"0000")
        self.wfile.write(_line(f"{'1' * 40} refs/heads/main\0 filter\n") + b"0000")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-result")
        self.end_headers()
        self.wfile.write(_line("NAK\n") + b"PACK" + struct.pack(">II", 2, 10**6))
        # A blob of 1,024 bytes, with its length in two bytes.
        blobs = [b"\xb0\x40" + zlib.compress(random.randbytes(1_024)) for _ in range(64)]
        try:
            while True:
                self.wfile.write(b"".join(blobs))
                time.sleep(0.005)
        except OSError:
            self.given_up.set()

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


def test_a_mirror_that_gets_too_large_is_stopped_and_leaves_nothing_unfinished(
    repository: GitRepository, tmp_path: Path
) -> None:
    folder = tmp_path / "git"
    limited = MirrorStore(folder, limit_mib=1)
    with answering(_Endless) as port:
        with pytest.raises(GitError, match=r"it is larger than 1 MiB \(git_mirror_mib\)"):
            limited.fetch("org", ID, f"http://127.0.0.1:{port}/app.git")
        assert _Endless.given_up.wait(10)
    (mirror,) = (folder / "mirrors").iterdir()
    assert [path.name for path in (mirror / "objects" / "pack").glob("*")] == []
    assert len(limited.fetch("org", ID, f"file://{repository.path}").every_sha()) == 2


def test_a_mirror_that_is_too_large_is_fetched_once_the_limit_allows_it(
    repository: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may also be fetched between two looks at its size."""
    monkeypatch.setattr(process, "_CHECK_SECONDS", 60)
    url = f"file://{repository.path}"
    message = random.randbytes(2**20).hex().encode()
    tree = f"{repository.sha('HEAD')}^{{tree}}"
    sha = repository.git("commit-tree", tree, "-F", "-", stdin=message).decode().strip()
    repository.git("branch", "large", sha)
    for asked in (url, f"file://{tmp_path / 'nothing'}"):
        with pytest.raises(GitError, match="it is larger than 1 MiB"):
            MirrorStore(tmp_path / "git", limit_mib=1).fetch("org", ID, asked)
    assert sha in MirrorStore(tmp_path / "git", limit_mib=8).fetch("org", ID, url).every_sha()


def test_a_branch_that_is_named_like_an_unfinished_file_is_fetched(
    mirrors: MirrorStore, repository: GitRepository
) -> None:
    repository.git("checkout", "--quiet", "-b", "tmp_pack")
    shas = {repository.commit("On a branch", {"README": "2"})}
    for branch in ("a.temp", "a.pack"):
        repository.git("checkout", "--quiet", "-b", branch, "main")
        shas.add(repository.commit(f"On {branch}", {"README": branch}))
    assert shas <= set(mirrors.fetch("org", ID, f"file://{repository.path}").every_sha())


@pytest.mark.parametrize(
    "left",
    [
        "HEAD.lock",
        "shallow.lock",
        "refs/heads/main.lock",
        "objects/pack/tmp_pack_a",
        "objects/pack/a.temp",
    ],
)
def test_what_a_killed_git_has_left_is_removed_before_the_next_fetch(
    mirrors: MirrorStore, repository: GitRepository, tmp_path: Path, left: str
) -> None:
    mirrors.fetch("org", ID, f"file://{repository.path}")
    (folder,) = (tmp_path / "git" / "mirrors").iterdir()
    (folder / left).write_bytes(b"x")
    sha = repository.commit("Go on", {"README": "2"})
    assert sha in mirrors.fetch("org", ID, f"file://{repository.path}").every_sha()
    assert not (folder / left).exists()


class _Locked(BaseHTTPRequestHandler):
    """A server that lets nobody in and keeps what it was shown."""

    shown: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.shown.append(self.headers["Authorization"])
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


def test_credentials_come_from_the_helper_that_the_settings_name(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    with answering(_Locked) as port:
        address = f"127.0.0.1:{port}"
        file.write_text(f"http://user:secret@{address}\n")
        mirrors = MirrorStore(tmp_path / "git", f"store --file={file}")
        with pytest.raises(GitError) as failed:
            mirrors.fetch("org", ID, f"http://{address}/app.git")
    assert f"Basic {b64encode(b'user:secret').decode()}" in _Locked.shown
    assert "secret" not in str(failed.value)


def test_a_fetch_that_takes_too_long_ends_with_all_that_git_has_started(
    mirrors: MirrorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program that speaks http waits for a server that never answers."""
    monkeypatch.setattr(process, "_FETCH_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/app.git"
        with pytest.raises(GitError, match="it takes more than 1 seconds"):
            mirrors.fetch("org", ID, url)
        server.settimeout(10)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(10)
            while connection.recv(65_536):
                pass


def test_a_redirect_to_another_machine_is_not_followed(mirrors: MirrorStore) -> None:
    """The machine that answers names another one, which would get the credentials too."""
    asked: list[str] = []

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with answering(Other) as other_port:
        target = f"http://127.0.0.1:{other_port}"

        class Redirecting(Other):
            def do_GET(self) -> None:
                self.send_response(301)
                self.send_header("Location", f"{target}{self.path}")
                self.end_headers()

        with answering(Redirecting) as port, pytest.raises(GitError):
            mirrors.fetch("org", ID, f"http://127.0.0.1:{port}/app.git")
    assert asked == []
