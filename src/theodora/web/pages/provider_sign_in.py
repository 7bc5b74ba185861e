"""Signing in and out with a provider of OpenID Connect."""

from collections.abc import Mapping
from contextlib import suppress

import structlog

from theodora.errors import BeingDeleted, Invalid, NotFound, Problem, SignInRefused
from theodora.storage import Person, PersonIdentity
from theodora.storage.access.principals import person_principal
from theodora.storage.access.role_mapping import organisations_left, role_of
from theodora.storage.engine.actor import Actor
from theodora.web.oidc.client import ProviderClient, SignInAnswer
from theodora.web.oidc.pending import PENDING_COOKIE, PENDING_SECONDS, from_cookie, to_cookie
from theodora.web.oidc.provider import Reason, SignInFailed
from theodora.web.pages.parts.sign_in_ways import sign_in_values
from theodora.web.pages.saved_views import after_sign_in
from theodora.web.pages.shell.cookies import id_token_of, provider_cookie
from theodora.web.pages.shell.page import Answer, Cookie, Download, SeeOther, View, Visit
from theodora.web.pages.shell.session import begin_session

log = structlog.get_logger()

_OTHER = (
    "This sign-in was begun in another tab or browser, or more than ten minutes ago. Sign in again."
)
_CANCELLED = (
    "{label} did not sign you in: you cancelled it, or you are not assigned to this application "
    "there."
)
_NOT_TRUSTED = (
    "The answer of {label} could not be verified. Sign in again; if that does not help, ask "
    "whoever runs this server, whose log has the reason."
)
_NO_ACCESS = (
    "{label} knows you, but you have no access here. Ask whoever runs this server to map one of "
    "your groups to a role."
)
_UNKNOWN = Actor("person", "")
_REFUSALS: frozenset[Reason] = frozenset({"not_trusted", "no_access", "refused"})
_ENDS_AT_ONCE = Cookie(PENDING_COOKIE, "", 0)

PROBLEMS: Mapping[Reason, tuple[int, str]] = {
    "other_sign_in": (400, _OTHER),
    "cancelled": (403, _CANCELLED),
    "no_answer": (502, "{label} does not answer. Try again in a moment."),
    "not_trusted": (403, _NOT_TRUSTED),
    "no_access": (403, _NO_ACCESS),
    "refused": (403, "{label} knows you, but you cannot sign in here: {why}."),
}
"""The status and the words for each reason that a sign-in came to nothing."""


def begin_sign_in(visit: Visit) -> Answer:
    """Sends the browser to the provider."""
    client, name = _client(visit)
    next_ = visit.query_parameters.get("next", "")
    try:
        location, pending = client.begin(visit.providers.callback(name), next_)
    except SignInFailed as failure:
        return _failed(visit, client, failure, next_)
    return SeeOther(location, (Cookie(PENDING_COOKIE, to_cookie(pending), PENDING_SECONDS),))


def finish_sign_in(visit: Visit) -> Answer:
    """Takes the browser that a provider has sent back."""
    client, name = _client(visit)
    pending = from_cookie(visit.cookies.get(PENDING_COOKIE, ""))
    try:
        answer = client.finish(visit.providers.callback(name), pending, visit.query_parameters)
    except SignInFailed as failure:
        return _failed(visit, client, failure, pending.next if pending else "")
    assert pending is not None, "no sign-in without it"
    try:
        person = _admitted(visit, client, answer)
    except SignInFailed as failure:
        return _failed(visit, client, failure, pending.next, actor=answer.identity.actor)
    principal = person_principal(person)
    cookies = (
        begin_session(visit, principal),
        provider_cookie(name, answer.id_token),
        _ENDS_AT_ONCE,
    )
    return SeeOther(after_sign_in(visit, principal, pending.next), cookies)


def sign_out_of_provider(visit: Visit) -> Answer:
    """Sends a browser that has signed out of here to the provider, to sign out there too."""
    client, name = _client(visit)
    back = visit.providers.url + "/sign-in"
    if visit.session is not None:
        # A link on another site must not sign anybody out.
        return SeeOther(visit.scope.href("/"))
    try:
        location = client.sign_out_url(id_token_of(visit.cookies, name), back)
    except SignInFailed as failure:
        return _failed(visit, client, failure)
    return SeeOther(location or back, (provider_cookie("", ""),))


def sign_out_by_provider(visit: Visit) -> Answer:
    """Ends the sessions of a person who has signed out of the provider: back-channel logout."""
    client, _ = _client(visit)
    try:
        subject = client.signed_out_subject(visit.form.get("logout_token", ""))
    except SignInFailed as failure:
        log.warning("sign-out by a provider refused", error=str(failure), address=visit.address)
        raise Invalid(Problem(str(failure), parameter="logout_token")) from failure
    provider, store = client.provider, visit.store
    identity = PersonIdentity(provider.issuer, subject)
    for name in {row.organisation for row in provider.roles}:
        with suppress(NotFound):
            # Also one that is to be deleted: a session there can take that back.
            org = store.organisations.get(name).organisation
            store.sessions.end_of_person(
                org, identity.person_id, actor=identity.actor.at(visit.address)
            ).result()
    return Download(b"", "text/plain")


def _admitted(visit: Visit, client: ProviderClient, answer: SignInAnswer) -> Person:
    """The person here. Raises `SignInFailed` for a person without a role."""
    provider, identity = client.provider, answer.identity
    _leave_others(visit, client, answer)
    row = role_of(answer.groups, provider.roles)
    if row is None:
        raise SignInFailed("no_access", f"no group has a role: {', '.join(answer.groups)[:500]}")
    try:
        return visit.store.people.sign_in(
            row.organisation,
            identity,
            row.role,
            visit.now_ns,
            teams=row.teams,
            may_create=provider.may_sign_up,
            actor=identity.actor.at(visit.address),
        ).result()
    except (SignInRefused, NotFound, BeingDeleted) as error:
        raise SignInFailed("refused", str(error)) from error


def _leave_others(visit: Visit, client: ProviderClient, answer: SignInAnswer) -> None:
    """Ends the person's sessions and role where none of the groups gives a role any more."""
    identity = answer.identity
    for name in sorted(organisations_left(answer.groups, client.provider.roles)):
        with suppress(NotFound):
            org = visit.store.organisations.get(name).organisation
            visit.store.people.leave(
                org, identity.person_id, actor=identity.actor.at(visit.address)
            ).result()


def _client(visit: Visit) -> tuple[ProviderClient, str]:
    name = visit.path_parameters["provider"]
    if name not in visit.providers.clients:
        raise NotFound
    return visit.providers.clients[name], name


def _failed(
    visit: Visit,
    client: ProviderClient,
    failure: SignInFailed,
    next_: str = "",
    *,
    actor: Actor = _UNKNOWN,
) -> View:
    """The page that shows why; what a person was refused for is in the audit log, too."""
    log.warning(
        "sign-in failed",
        provider=client.provider.name,
        reason=failure.reason,
        error=str(failure),
        address=visit.address,
    )
    if failure.reason in _REFUSALS:
        noted = visit.store.audit.refuse(
            None,
            "session.refused",
            "",
            str(failure),
            visit.now_ns,
            actor=actor.at(visit.address),
        )
        if noted is not None:
            noted.result()
    status, words = PROBLEMS[failure.reason]
    problem = words.format(label=client.provider.label, why=failure)
    # A stranger's link to the callback must not end a sign-in that this browser has begun.
    ends = () if failure.reason == "other_sign_in" else (_ENDS_AT_ONCE,)
    values = sign_in_values(visit, next_, problem=problem)
    return View(values, status, ends, template="sign_in.html")
