"""Builds of Jenkins, as its Notification plugin sends them."""

import re
from collections.abc import Mapping, Sequence

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import (
    DeploymentFact,
    DeploymentStatus,
    WebhookFact,
    begun_and_ended,
)
from theodora.sources.webhooks.forges import branch_refusal, full_sha, version_of_ref
from theodora.sources.webhooks.names import is_named
from theodora.sources.webhooks.payload import (
    count_at,
    needed_instant,
    needed_text,
    number_at,
    object_at,
    text_at,
)

JENKINS_EVENTS = ("COMPLETED", "FINALIZED")
"""Phases of a build that it understands. Earlier ones have no result, and no commit yet."""
_RESULTS: Mapping[str, DeploymentStatus] = {
    "SUCCESS": "succeeded",
    **dict.fromkeys(("FAILURE", "UNSTABLE", "ABORTED"), "failed"),
}
_JOB = re.compile(r"job/([^/]+)/")


def read_jenkins(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not of the plugin."""
    payload, build = delivery.payload, object_at(delivery.payload, "build")
    phase = needed_text(build, "phase")
    if phase not in JENKINS_EVENTS:
        return Ignored(f"a build that is {phase} has no result yet")
    names = _names(payload)
    if not any(is_named(name, settings.workflows) for name in names):
        return Ignored(f'the settings do not name "{names[0]}" as a job that deploys')
    branch = (text_at(build, "scm", "branch") or "").removeprefix("origin/")
    if refusal := branch_refusal(branch, settings):
        return Ignored(refusal)
    result = needed_text(build, "status")
    if result not in _RESULTS:
        return Ignored(f"the build is {result}")
    ended_at_ns = needed_instant(build, "timestamp")
    began_at_ns = ended_at_ns - count_at(build, "duration") * 10**6
    url = text_at(build, "scm", "url")
    env = text_at(build, "parameters", "ENVIRONMENT")
    end = DeploymentFact(
        at_ns=ended_at_ns,
        number=f"{names[0]}:{number_at(build, 'number')}",
        status=_RESULTS[result],
        service=settings.service_of(*names),
        env=settings.env_of(env) if env else settings.env_for(*names, branch),
        version=text_at(build, "parameters", "VERSION")
        or version_of_ref(text_at(build, "scm", "branch")),
        repository_url=url,
        commit_sha=full_sha(text_at(build, "scm", "commit")) if url else None,
    )
    return begun_and_ended(end, began_at_ns)


def _names(payload: JsonObject) -> list[str]:
    """Names of the job, the most precise one first and the simplest one last.

    `job/acme/job/shop/job/main/` is `acme/shop/main`. A job that has the name of its branch is
    part of a multibranch project, so its folder names it: `acme/shop`, `shop`.
    """
    name = needed_text(payload, "name")
    folders = _JOB.findall(text_at(payload, "url") or "") or [name]
    branch = text_at(payload, "build", "scm", "branch") or ""
    is_branch = len(folders) > 1 and folders[-1] == branch.removeprefix("origin/")
    path, project = folders, folders[:-1] if is_branch else folders
    return list(dict.fromkeys(("/".join(path), "/".join(project), project[-1])))
