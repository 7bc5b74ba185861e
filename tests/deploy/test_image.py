"""The image: built by buildah on a Debian made by mmdebstrap, and run as a container would run it.

There is no runtime of containers: its file system is mounted read-only in a namespace of its own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from installing import BOOTSTRAP, TOP, needs_mounts, run, run_or_skip, send_and_find, started
from postgresql import free_port
from theodora import __version__, version

pytestmark = [
    pytest.mark.deploy,
    *(
        pytest.mark.skipif(not shutil.which(tool), reason=f"this machine has no {tool}")
        for tool in ("buildah", "mmdebstrap", "unshare")
    ),
    pytest.mark.skipif(os.getuid() != 0, reason="images are built as root"),
]

SUITE = os.environ.get("SUITE", "trixie")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "theodora" / "image"
USER = 65532
TOLERANCE = 0.1
"""How much its size may differ from the one that docs/install.md says."""

# What the machine needs to reach registries; an image of a release has its base's.
_OF_THIS_MACHINE = (
    *("/etc/hosts", "/etc/resolv.conf", "/etc/pip.conf"),
    "/etc/ssl/certs/ca-certificates.crt",
)
_RUN = """
set -eu
root=$1 data=$2
shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount --bind "$data" "$root/var/lib/theodora"
mount -t tmpfs tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups= "$root" "$@"
"""


@dataclass(frozen=True)
class Image:
    """An image that was built: its mounted files and its configuration."""

    root: Path
    config: dict[str, Any]
    added_mb: float

    def command(self, data: Path, *command: str, **environment: str) -> list[str]:
        """Runs a command as a container with a read-only root would, on this volume."""
        variables = [
            *self.config["Env"],
            *(f"{name}={value}" for name, value in environment.items()),
        ]
        inside = ["env", "--chdir", self.config["WorkingDir"], "-i", *variables, *command]
        return ["unshare", "--mount", "sh", "-c", _RUN, "sh", str(self.root), str(data), *inside]


class Buildah:
    """Buildah with a storage of its own."""

    def __init__(self, folder: Path) -> None:
        where = ("--root", str(folder / "root"), "--runroot", str(folder / "run"))
        self._command = ("buildah", "--storage-driver", "vfs", *where)

    def __call__(self, *arguments: str | Path) -> str:
        return run(*self._command, *arguments, environment=os.environ).strip()

    def prepared(self, *arguments: str | Path) -> str:
        """What takes nothing of ours yet, and skips the tests where it fails."""
        return run_or_skip(*self._command, *arguments, environment=os.environ).strip()


@pytest.fixture(scope="module")
def base() -> Path:
    """The file system of a minimal Debian, kept from one run to the next."""
    needs_mounts()
    archive = CACHE / f"{SUITE}.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        new = archive.with_suffix(".new.tar")
        run_or_skip(
            *("mmdebstrap", "--variant=minbase", "--include=ca-certificates"),
            *(SUITE, new, mirror()),
            environment=os.environ,
        )
        new.rename(archive)
    return archive


def mirror() -> str:
    """Where this machine's apt has its packages from; it has every suite."""
    format_ = "$(RELEASE) $(REPO_URI)"
    targets = run("apt-get", "indextargets", "--format", format_, environment=os.environ)
    name = next(
        line.partition("=")[2]
        for line in Path("/etc/os-release").read_text().splitlines()
        if line.startswith("VERSION_CODENAME=")
    )
    return os.environ.get("MIRROR") or dict(map(str.split, reversed(targets.splitlines())))[name]


@pytest.fixture(scope="module")
def image(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder = tmp_path_factory.mktemp("image")
    buildah = Buildah(folder)
    container = buildah.prepared("from", "scratch")
    root = Path(buildah.prepared("mount", container))
    run("tar", "--extract", "--file", base, "--directory", root, environment=os.environ)
    for file in map(Path, _OF_THIS_MACHINE):
        if file.exists():
            shutil.copy(file, root / file.relative_to("/"))
    # What the build needs of the machine: to change the root, and to reach the mirror.
    update = "apt-get update && rm -r /var/lib/apt/lists/*"
    buildah.prepared("run", "--isolation", "chroot", container, "sh", "-c", update)
    buildah.prepared("commit", "--quiet", "--rm", container, "localhost/base")
    buildah(
        *("build", "--isolation", "chroot", "--format", "docker", "--layers=false"),
        *("--build-arg", "BASE=localhost/base", "--build-arg", f"COMMIT={version.commit_of(TOP)}"),
        *("--file", TOP / "deploy/Containerfile", "--tag", "localhost/theodora", TOP),
    )
    container = buildah("from", "localhost/theodora")
    root = Path(buildah("mount", container))
    described = json.loads(buildah("inspect", "--type", "image", "localhost/theodora"))
    yield Image(root, described["Docker"]["config"], megabytes(root) - megabytes_of(base))
    buildah("umount", "--all")


def megabytes(folder: Path) -> float:
    shown = run("du", "--summarize", "--bytes", folder, environment=os.environ)
    return int(shown.split()[0]) / 1e6


def megabytes_of(archive: Path) -> float:
    with tarfile.open(archive) as members:
        return sum(member.size for member in members) / 1e6


def new_volume(folder: Path) -> Path:
    """A new volume, as a container gets it: with the owner of the image's folder."""
    volume = folder / "volume"
    volume.mkdir(mode=0o750)
    os.chown(volume, USER, USER)
    return volume


def child_status() -> dict[str, str]:
    """What the kernel knows of the process that this one has started as the image's user."""
    (child,) = [each for each in psutil.Process().children() if each.uids().real == USER]
    lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)


def test_the_image_is_small_and_has_nothing_to_build_with(image: Image) -> None:
    sys.stdout.write(f"the image adds {image.added_mb:.0f} MB to its base\n")
    (told,) = re.findall(r"it adds (\d+) MB", (TOP / "docs/install.md").read_text())
    assert image.added_mb == pytest.approx(int(told), rel=TOLERANCE)
    programs = {file.name for file in image.root.glob("usr/bin/*")}
    programs |= {file.name for file in image.root.glob("opt/theodora/bin/*")}
    assert {"git", "python3", "theodora"} <= programs
    assert not programs & {"cc", "gcc", "g++", "c++", "make", "pip", "pip3", "uv", "curl"}
    assert not list(image.root.glob("var/lib/apt/lists/*"))


def test_the_image_is_configured_for_a_user_that_is_not_root(image: Image) -> None:
    config = image.config
    assert config["User"] == f"{USER}:{USER}"
    assert list(config["Volumes"]) == ["/var/lib/theodora"]
    folders = [image.root / name for name in ("var/lib/theodora", "var/lib/theodora-backups")]
    for owner in [folder.stat() for folder in folders]:
        assert (owner.st_uid, owner.st_gid, owner.st_mode & 0o777) == (USER, USER, 0o750)
    # Nothing else in it is the user's.
    own = run("find", image.root, "-xdev", "-uid", str(USER), environment=os.environ)
    assert sorted(own.split()) == [*map(str, folders)]


def test_a_server_with_a_read_only_root_is_healthy_and_takes_an_event(
    image: Image, tmp_path: Path
) -> None:
    volume = new_volume(tmp_path)
    settings = {
        "THEODORA_HOST": "127.0.0.1",
        "THEODORA_PORT": str(free_port()),
        **BOOTSTRAP,
    }

    def inside(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            image.command(volume, *command, **settings), capture_output=True, text=True, check=False
        )

    probe = image.config["Healthcheck"]["Test"][1:]
    assert inside(*probe).returncode == 1
    start = image.command(volume, *image.config["Entrypoint"], *image.config["Cmd"], **settings)
    with started(start, {"PATH": os.environ["PATH"]}, tmp_path) as url:
        send_and_find(url)
        checked = inside(*probe)
        assert checked.returncode == 0, checked.stderr
        status = child_status()
        assert status["Uid"].split() == status["Gid"].split() == [str(USER)] * 4
        assert int(status["CapEff"], 16) == 0
    assert (volume / "theodora.db").stat().st_uid == USER
    assert "Read-only file system" in inside("touch", "/opt/theodora/file").stderr
    assert "Read-only file system" in inside("touch", "/etc/file").stderr
    shown = inside("theodora", "--version").stdout
    assert shown.startswith(f"theodora {__version__} (commit {version.commit_of(TOP)}, built ")
    assert inside("git", "--version").stdout.startswith("git version ")
