"""Artifacts as package URLs and image names have them: the version that runs, and its commit."""

import re
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

_PURL = re.compile(r"pkg:[^@?#]+(?:@(?P<version>[^?#]+))?(?:\?(?P<qualifiers>[^#]*))?(?:#.*)?")
_VCS = re.compile(r"(?:git[+ ])?(?P<url>[^@]+://.+?)@(?P<sha>[0-9a-fA-F]{40,64})")
"""A plus sign in a query may be a space."""


class Artifact(NamedTuple):
    """What is known of an artifact; a commit has a repository."""

    version: str | None = None
    repository_url: str | None = None
    commit_sha: str | None = None


def read_artifact(purl: str) -> Artifact:
    """What a package URL says; nothing for any other text.

    The tag of an image is a better version than its digest. The qualifier `vcs_url` may name the
    commit that it was built from.
    """
    found = _PURL.fullmatch(purl)
    if found is None:
        return Artifact()
    qualifiers = parse_qs(found["qualifiers"] or "")
    version = qualifiers.get("tag", [unquote(found["version"] or "")])[0] or None
    vcs = _VCS.fullmatch(qualifiers.get("vcs_url", [""])[0])
    if vcs is None:
        return Artifact(version)
    return Artifact(version, vcs["url"], vcs["sha"].lower())


def image_tag(image: str) -> str | None:
    """The tag of an image's name; None for one that has a digest alone."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2] or None
