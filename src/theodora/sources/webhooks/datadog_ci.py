"""What `datadog-ci deployment correlate`, `correlate-image` and `mark` send."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from theodora.dora.derivation.rule_engine import STATED_ROLLBACK
from theodora.errors import Invalid, Problem
from theodora.events.attributes import MAX_URL_CHARACTERS
from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.correlation import SHA, commit_key, image_keys
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import CorrelatedCommit, DeploymentFact, WebhookFact
from theodora.sources.webhooks.payload import needed_text, object_at, text_at, texts_at

CORRELATE = "ci_app_deployment_correlate"
CORRELATE_IMAGE = "ci_deployment_correlate_image"
TAG = "ci_custom_tag"

MAX_SHAS = 1_000
"""Commits of configuration in one request."""
_MAX_IMAGE_CHARACTERS = 1_000
_ATTRIBUTES = ("data", "attributes")
_PREFIX = "datadog_cd_visibility."
_UNSTABLE = frozenset({"DD_GITHUB_JOB_NAME", "GITHUB_SERVER_URL", "CI_PROJECT_URL"})
"""Members of the environment that say no more, or that the same job may lack the next time."""

_Sha = Annotated[str, Meta(description="A commit's SHA.", pattern=f"^({SHA.pattern})$")]
_Url = Annotated[
    str, Meta(description="A repository.", min_length=1, max_length=MAX_URL_CHARACTERS)
]


class SourceCommit(msgspec.Struct, frozen=True, rename=lambda name: f"git.{name}"):
    """The environment of a CI job, with its commit of the application."""

    repository_url: _Url
    commit_sha: _Sha = msgspec.field(name="git.commit.sha")


class CorrelateInput(msgspec.Struct, frozen=True):
    """Commits of configuration that a CI job of the application made."""

    config_commit_shas: Annotated[tuple[_Sha, ...], Meta(min_length=1, max_length=MAX_SHAS)]
    ci_env: SourceCommit


class CorrelateImageInput(msgspec.Struct, frozen=True):
    """An image, and the application's commit that it was built from."""

    commit_sha: _Sha
    repository_url: _Url
    image: Annotated[
        str,
        Meta(
            description="Its name, with tag or digest.",
            min_length=1,
            max_length=_MAX_IMAGE_CHARACTERS,
            pattern=r"^[A-Za-z0-9]",
        ),
    ]


class TagInput(msgspec.Struct, frozen=True):
    """Tags of a CI job or pipeline."""

    provider: Annotated[str, Meta(description="The CI provider.", pattern="[a-z]")]
    ci_env: Annotated[Mapping[str, Any], Meta(description="What identifies the job.")]
    tags: Annotated[Mapping[str, Any], Meta(description="Tags by their names.")]


def read_datadog_ci(delivery: Delivery, _: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one request. Raises `Invalid` for one that no command sends."""
    kind = text_at(delivery.payload, "data", "type") or ""
    if kind not in _READERS:
        expected = ", ".join(f'"{name}"' for name in _READERS)
        raise Invalid(Problem(f'got type "{kind}" expected one of {expected}', ("data", "type")))
    return _READERS[kind](delivery)


def _correlate(delivery: Delivery) -> Sequence[WebhookFact]:
    shas = texts_at(delivery.payload, *_ATTRIBUTES, "config_commit_shas")
    place = (*_ATTRIBUTES, "config_commit_shas")
    if not 1 <= len(shas) <= MAX_SHAS:
        raise Invalid(Problem(f"must have between 1 and {MAX_SHAS} commits", place))
    keys = tuple(commit_key(_checked_sha(sha, place)) for sha in shas)
    repository, sha = (*_ATTRIBUTES, "ci_env", "git.repository_url"), "git.commit.sha"
    return [_commit(delivery.payload, repository, (*_ATTRIBUTES, "ci_env", sha), keys)]


def _correlate_image(delivery: Delivery) -> Sequence[WebhookFact]:
    place = (*_ATTRIBUTES, "image")
    image = needed_text(delivery.payload, *place)
    keys = tuple(image_keys(image))
    if not keys or len(image) > _MAX_IMAGE_CHARACTERS:
        raise Invalid(Problem("must be the name of an image", place))
    repository, sha = (*_ATTRIBUTES, "repository_url"), (*_ATTRIBUTES, "commit_sha")
    return [_commit(delivery.payload, repository, sha, keys)]


def _commit(
    payload: JsonObject, repository: tuple[str, ...], sha: tuple[str, ...], keys: tuple[str, ...]
) -> CorrelatedCommit:
    url = needed_text(payload, *repository)
    if len(url) > MAX_URL_CHARACTERS:
        raise Invalid(Problem(f"must be at most {MAX_URL_CHARACTERS} characters", repository))
    commit_sha = _checked_sha(needed_text(payload, *sha), sha)
    return CorrelatedCommit(keys=keys, repository_url=url, commit_sha=commit_sha)


def _checked_sha(sha: str, place: tuple[str, ...]) -> str:
    if not SHA.fullmatch(sha.lower()):
        raise Invalid(Problem("must be 40 or 64 hexadecimal characters", place))
    return sha.lower()


def _mark(delivery: Delivery) -> Sequence[WebhookFact] | Ignored:
    """A job that is marked as a deployment ends when the mark comes in: it names no time."""
    attributes = object_at(delivery.payload, *_ATTRIBUTES)
    provider = needed_text(delivery.payload, *_ATTRIBUTES, "provider")
    tags = object_at(attributes, "tags")
    if text_at(tags, f"{_PREFIX}is_deployment") != "true":
        return Ignored("the tags mark no deployment")
    ci_env = object_at(attributes, "ci_env")
    url = _repository_url(ci_env)
    env, version = text_at(tags, f"{_PREFIX}env"), text_at(tags, f"{_PREFIX}revision")
    service = text_at(tags, f"{_PREFIX}service") or (url or "").rpartition("/")[2]
    if not service:
        return Ignored("it names no service")
    job = (text_at(ci_env, name) for name in sorted(ci_env) if name not in _UNSTABLE)
    is_rollback = text_at(tags, f"{_PREFIX}is_rollback") == "true"
    custom = (text_at(tags, f"{_PREFIX}custom_tags") or "").split(",")
    return [
        DeploymentFact(
            at_ns=delivery.received_at_ns,
            number=":".join(part for part in (provider, *job, service, env) if part),
            is_global=True,
            status="succeeded",
            service=service,
            env=env,
            version=version,
            repository_url=url,
            commit_sha=version if version and SHA.fullmatch(version) else None,
            custom_tags=(
                *((STATED_ROLLBACK,) if is_rollback else ()),
                *(tag for tag in map(str.strip, custom) if tag),
            ),
        )
    ]


def _repository_url(ci_env: JsonObject) -> str | None:
    """The repository of the job, which the environments of GitHub and GitLab name."""
    server, path = text_at(ci_env, "GITHUB_SERVER_URL"), text_at(ci_env, "GITHUB_REPOSITORY")
    return f"{server}/{path}" if server and path else text_at(ci_env, "CI_PROJECT_URL")


_READERS: Mapping[str, Callable[[Delivery], Sequence[WebhookFact] | Ignored]] = {
    CORRELATE: _correlate,
    CORRELATE_IMAGE: _correlate_image,
    TAG: _mark,
}
"""By the type of the document."""
