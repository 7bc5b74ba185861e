"""Tags of a repository as deployments: each tag is a released version."""

import msgspec

from theodora.errors import Invalid, Problem
from theodora.events import Deployment
from theodora.events.attributes import read_deployment
from theodora.git import GitTag

SOURCE = "git"
_EARLIEST_NS = 10**17
"""In 1973: a smaller integer would be read in another unit than nanoseconds."""


def deployment_from_tag(tag: GitTag, service: str, env: str, repository_url: str) -> Deployment:
    """The deployment that a tag records; it starts and finishes at the same instant.

    Raises `Invalid` for what no deployment may have, such as a version that is too long, and for
    a tag without a date.
    """
    if tag.at_ns < _EARLIEST_NS:
        raise Invalid(
            Problem("its date cannot be read, or is 0, so it is not known when it was deployed")
        )
    attributes = {
        "service": service,
        "env": env,
        "version": tag.name,
        "started_at": tag.at_ns,
        "finished_at": tag.at_ns,
        "git": {"commit_sha": tag.commit_sha, "repository_url": repository_url},
    }
    return msgspec.structs.replace(read_deployment(attributes), source=SOURCE)
