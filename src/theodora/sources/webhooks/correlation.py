"""GitOps: which commit of an application a deployment contains.

What Argo CD and Flux deploy is a commit of a repository with manifests, or an image. A correlation
names the commit of the application that it was made from, under a key.
"""

import re
from collections.abc import Iterable, Sequence

from theodora.storage import Correlation

SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DEFAULT_REGISTRY = re.compile(r"(?:(?:index\.)?docker\.io/)?(?:library/)?")


def commit_key(sha: str) -> str:
    """The key of a commit of configuration. Its repository may be unknown, or written in another
    way, and takes no part."""
    return f"commit:{sha.lower()}"


def image_keys(image: str) -> list[str]:
    """The keys of an image: by its tag and by its digest, whichever it has.

    Docker's default registry may be left out, and so may the tag `latest`.
    """
    name, _, digest = image.strip().partition("@")
    name = _DEFAULT_REGISTRY.sub("", name, count=1)
    path, slash, last = name.rpartition("/")
    repository, _, tag = last.partition(":")
    if not repository:
        return []
    if not digest:
        return [f"image:{path}{slash}{repository}:{tag or 'latest'}"]
    by_tag = [f"image:{path}{slash}{repository}:{tag}"] if tag else []
    return [*by_tag, f"image:{path}{slash}{repository}@{digest}"]


def deployed_keys(commit_sha: str | None, images: Iterable[str]) -> list[str]:
    """The keys of what was deployed."""
    by_image = [key for image in images for key in image_keys(image)]
    return [*by_image, *([commit_key(commit_sha)] if commit_sha else [])]


def application_commit(
    correlations: Sequence[Correlation],
    service: str | None,
    commit_sha: str | None,
    images: Iterable[str],
) -> Correlation | None:
    """The correlation that gives a deployment its commit; None for none, or several equally good.

    An image counts more than a commit of configuration, which may change several applications. Of
    several applications the one whose repository or image is named after the service counts.
    """
    for keys in (deployed_keys(None, images), deployed_keys(commit_sha, ())):
        found = [each for each in correlations if each.key in keys]
        if found:
            named = [each for each in found if service and service in _names(each)]
            return _only(found) or _only(named)
    return None


def _names(correlation: Correlation) -> set[str]:
    """The last names of the application's repository and of its image."""
    image = correlation.key.partition(":")[2] if correlation.key.startswith("image:") else ""
    last = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return {correlation.repository_id.rpartition("/")[2], last}


def _only(correlations: Sequence[Correlation]) -> Correlation | None:
    """The first one, if all of them name one commit."""
    commits = {(each.repository_id, each.commit_sha) for each in correlations}
    return correlations[0] if len(commits) == 1 else None
