"""Error pages: a sentence, the cause, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from theodora.errors import (
    BeingDeleted,
    Invalid,
    NotFound,
    OverQuota,
    PayloadTooLarge,
    ReadOnly,
    SignInRefused,
    TooManyRequests,
    TooSlow,
    Unavailable,
    UnusableStore,
)
from theodora.query.parser import MAX_CHARACTERS
from theodora.query.problems import query_problem
from theodora.query.suggestion import suggested_query
from theodora.storage.access.people import Person
from theodora.storage.access.permissions import ROLES, may
from theodora.web.pages.shell.page import (
    CrossOrigin,
    KeyIsLimited,
    NotOfTeam,
    NotPermitted,
    SignInNeeded,
)


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """The content of an error page."""

    status: int
    title: str
    cause: str
    ways: tuple[tuple[str, str], ...] = ()
    """Helpful links: label and path."""
    problems: tuple[str, ...] = ()
    quotes_id: bool = False
    """Whether the id of the request is to be quoted."""


@dataclass(frozen=True, slots=True)
class LocatedProblem:
    """The problem of the text in the search box, with the text split where the problem is."""

    text: str
    message: str
    position: int | None
    """Counted from 1; None if the text itself is the problem."""
    before: str = field(init=False)
    at: str = field(init=False)
    after: str = field(init=False)

    def __post_init__(self) -> None:
        index = len(self.text) if self.position is None else self.position - 1
        for name, part in (
            ("before", self.text[:index]),
            ("at", self.text[index : index + 1]),
            ("after", self.text[index + 1 :]),
        ):
            object.__setattr__(self, name, part)

    @property
    def repair(self) -> str:
        """A similar query that can be parsed; empty if none was found."""
        return "" if self.position is None else suggested_query(self.text, self.position)


def locate_problem(error: Invalid, text: str) -> LocatedProblem | None:
    """The problem of the query `text`; None if the error is about something else."""
    found = query_problem(error)
    if found is None:
        return None
    shown = text if found.position is not None else text[:MAX_CHARACTERS]
    return LocatedProblem(shown, found.message, found.position)


_HOME = ("Overview", "/")
_OTHER_KEY = ("Sign in with another key", "/sign-in")
_QUOTAS = ("See the quotas", "/data-health?check=quotas")
_STATE = ("State of the server", "/readyz")

_UNREACHABLE = ErrorPage(
    503,
    "The store cannot be reached",
    "The database does not answer. Events are refused until it does, so that senders "
    "resend them: none is lost silently. Reload this page in a moment.",
    (_STATE,),
)
_UNEXPECTED = ErrorPage(
    500,
    "Something went wrong",
    "This is a bug in Theodora. The log has the details, under the id below.",
    (_HOME,),
    quotes_id=True,
)
_FIXED: Mapping[type[Exception], ErrorPage] = {
    SignInNeeded: ErrorPage(
        401,
        "You are not signed in",
        "Your session has ended, or there was none. Nothing was changed.",
        (("Sign in", "/sign-in"),),
    ),
    CrossOrigin: ErrorPage(
        403,
        "This form came from another server",
        "Nothing was changed. If you sent it from this dashboard, a proxy in front of it "
        "hides its address: it must pass on the Host header, or set X-Forwarded-Host.",
        (_HOME,),
    ),
    TooManyRequests: ErrorPage(
        429,
        "Too many requests",
        "Your organisation has asked for more than its limit in this minute. "
        "Wait a moment, then reload this page.",
    ),
    ReadOnly: ErrorPage(
        503,
        "Read-only for now",
        "The primary database does not answer; you see data from a replica. "
        "Nothing was changed. Try again in a moment.",
        (_STATE,),
    ),
    Unavailable: _UNREACHABLE,
    UnusableStore: _UNREACHABLE,
}
"""The pages that are the same for every error of a class, or of a subclass."""


_KEY_IS_LIMITED = ErrorPage(
    403,
    "Your key cannot make this",
    "The application key that you are signed in with expires or works only from some addresses. "
    "A key or link that it makes would be without these limits. Sign in with a key that has none, "
    "or as a person.",
    (_OTHER_KEY,),
)


def error_page(error: Exception, command: str, org_flag: str) -> ErrorPage:
    """`command` is how `theodora` is typed, `org_flag` the flag that names the organisation."""
    match error:
        case Invalid():
            return _invalid(error)
        case NotOfTeam():
            return _not_of_team(error)
        case KeyIsLimited():
            return _KEY_IS_LIMITED
        case NotPermitted():
            return _not_permitted(error, command, org_flag)
        case SignInRefused():
            cause = str(error)
            return ErrorPage(403, "You are not let in", f"{cause[0].upper()}{cause[1:]}.")
        case BeingDeleted():
            return _being_deleted(error)
        case OverQuota():
            cause = str(error)
            return ErrorPage(
                403, "A quota is used up", f"{cause[0].upper()}{cause[1:]}.", (_HOME, _QUOTAS)
            )
        case NotFound():
            return _not_found(error)
        case PayloadTooLarge():
            return ErrorPage(413, "That is too long", f"A form's {error}.", (_HOME,))
        case TooSlow():
            cause = str(error)
            return ErrorPage(
                503, "This takes too long", f"{cause[0].upper()}{cause[1:]}.", (_HOME,)
            )
        case _:
            # The most specific class first: reads may go on where writes cannot.
            known = (_FIXED[each] for each in type(error).__mro__ if each in _FIXED)
            return next(known, _UNEXPECTED)


def _invalid(error: Invalid) -> ErrorPage:
    return ErrorPage(
        400,
        "Invalid link",
        "A parameter of this address has an invalid value.",
        (_HOME,),
        tuple(map(str, error.problems)),
    )


def _being_deleted(error: BeingDeleted) -> ErrorPage:
    return ErrorPage(
        403,
        "This organisation is to be deleted",
        f"Everything in it is deleted from {error.moment} on. Until then nobody can use it, unless "
        "the deletion is taken back.",
        (("See the deletion", "/settings/organisation"), _OTHER_KEY),
    )


def _not_permitted(error: NotPermitted, command: str, org_flag: str) -> ErrorPage:
    person = error.principal.person
    if person is not None:
        return _not_of_role(error.permission, person)
    name = f'"{error.principal.name}"' if error.principal.name else "you are signed in with"
    return ErrorPage(
        403,
        f"Your key cannot {may(error.permission)}",
        f"The application key {name} lacks the permission {error.permission}. "
        "Sign in with a key that has it, or ask whoever runs this server for one: "
        f"{command} keys create application --permission {error.permission}{org_flag}",
        (_OTHER_KEY,),
    )


def _not_of_role(permission: str, person: Person) -> ErrorPage:
    roles = " or ".join(role.name for role in ROLES if permission in role.permissions)
    return ErrorPage(
        403,
        f"Your role cannot {may(permission)}",
        f"You are signed in as {person.title}, whose role is {person.role.name}. "
        f"Ask an owner of the organisation for the role {roles}.",
        (_HOME,),
    )


def _not_of_team(error: NotOfTeam) -> ErrorPage:
    whose, help_ = (
        (f"to the team {error.team}", "that team, or an owner to add it to your teams")
        if error.team
        else ("to no team", "an admin of the organisation")
    )
    return ErrorPage(
        403,
        "This belongs to another team" if error.team else "This belongs to no team",
        f"You are signed in as {error.principal.name} and change what belongs to "
        f"{', '.join(sorted(error.principal.teams))}. This belongs {whose}. Nothing was changed. "
        f"Ask {help_}.",
        (_HOME,),
    )


def _not_found(error: NotFound) -> ErrorPage:
    reason = f"{str(error).capitalize()}. " if str(error) else ""
    return ErrorPage(
        404,
        "Page not found",
        f"{reason}It may have been deleted, or belong to another organisation, or the address "
        "may be misspelt.",
        (_HOME, ("Find a deployment", "/deployments")),
    )
