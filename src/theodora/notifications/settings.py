"""Settings of a receiver as people give them, in forms and options."""

from collections.abc import Mapping

from theodora.errors import Invalid, Problem
from theodora.events.attributes import CONTROL
from theodora.events.input import MAX_TEXT_CHARACTERS
from theodora.notifications.schedule import DAY_NAMES, day_words
from theodora.report.parameters import Parameters, zone_named
from theodora.storage.access.notifications import WORKING_DAYS, Receiver, ReceiverSettings

MAX_OPEN_HOURS = 8_760
SENDS = ("both", "digests", "alerts")
"""What a receiver can be sent."""


def read_settings(given: Mapping[str, str]) -> ReceiverSettings:
    """The settings in texts by name; empty ones are the defaults. Raises `Invalid`."""
    parameters = Parameters(given)
    sends = parameters.choice("sends", SENDS, "both")
    default = ReceiverSettings()
    parameters.read("timezone", zone_named, None)
    settings = ReceiverSettings(
        team=parameters.read("team", read_name, ""),
        timezone=parameters.given("timezone") or default.timezone,
        days=parameters.read("days", _days, WORKING_DAYS),
        hour=parameters.read("hour", lambda text: _number(text, 0, 23), default.hour),
        digests=sends != "alerts",
        alerts=sends != "digests",
        open_hours=parameters.read(
            "open_hours", lambda text: _number(text, 1, MAX_OPEN_HOURS), default.open_hours
        ),
    )
    parameters.check()
    return settings


def settings_texts(receiver: Receiver) -> Mapping[str, str]:
    """What `read_settings` and `read_name` read again, with the kind; no address."""
    settings = receiver.settings
    both = settings.digests and settings.alerts
    return {
        "kind": receiver.kind,
        "url": "",
        "name": receiver.name,
        "team": settings.team,
        "timezone": settings.timezone,
        "days": day_words(settings.days),
        "hour": str(settings.hour),
        "open_hours": str(settings.open_hours),
        "sends": "both" if both else "digests" if settings.digests else "alerts",
    }


def read_name(text: str) -> str:
    """A name in one line."""
    if len(text) > MAX_TEXT_CHARACTERS or CONTROL.search(text):
        raise Invalid(Problem(f"must have at most {MAX_TEXT_CHARACTERS} characters in one line"))
    return text


def _days(text: str) -> tuple[int, ...]:
    names = text.lower().replace(",", " ").split()
    if not names or not set(names) <= set(DAY_NAMES):
        raise Invalid(Problem(f'must be days of "{" ".join(DAY_NAMES)}"'))
    return tuple(day for day, name in enumerate(DAY_NAMES) if name in names)


def _number(text: str, low: int, high: int) -> int:
    if not text.isascii() or not text.isdigit() or not low <= int(text[:9]) <= high:
        raise Invalid(Problem(f"must be a whole number from {low} to {high}"))
    return int(text[:9])
