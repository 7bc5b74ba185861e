"""Tags of a repository as deployments: each tag is a version that was put out."""

import msgspec

from theodora.events import Deployment
from theodora.events.attributes import read_deployment
from theodora.git import Tag

SOURCE = "git"


def deployment_from_tag(tag: Tag, service: str, env: str, repository_url: str) -> Deployment:
    """The deployment that a tag stands for, of which no more than one instant is known.

    Raises `Invalid` for what no deployment may have, such as a version that is too long.
    """
    attributes = {
        "service": service,
        "env": env,
        "version": tag.name,
        "started_at": tag.at_ns,
        "finished_at": tag.at_ns,
        "git": {"commit_sha": tag.commit_sha, "repository_url": repository_url},
    }
    return msgspec.structs.replace(read_deployment(attributes), source=SOURCE)
