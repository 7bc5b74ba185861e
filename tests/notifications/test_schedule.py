"""When digests are due: on the first working day, at the receiver's hour in its zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from theodora.errors import Invalid
from theodora.notifications.schedule import digest_week, is_working_day
from theodora.notifications.settings import read_settings
from theodora.storage.access.notifications import Receiver, ReceiverSettings

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 10**9


def week(now: str, created: str = "2026-01-01", **settings: object) -> str | None:
    """The Monday of the week that a digest is due of."""
    made = ReceiverSettings(timezone=BERLIN)._replace(**settings)
    found = digest_week(Receiver("", "slack", "", "", "", made, at(created)), at(now))
    if found is None:
        return None
    assert found.end_ns == at("2026-10-26")
    return f"{datetime.fromtimestamp(found.start_ns // 10**9, ZoneInfo(BERLIN)):%Y-%m-%d}"


@pytest.mark.parametrize(
    ("now", "options", "expected"),
    [
        ("2026-10-26T08:59:59", {}, None),
        ("2026-10-26T09:00", {}, "2026-10-19"),
        ("2026-11-01T23:59", {}, "2026-10-19"),
        ("2026-10-27T08:00", {"days": (2, 4)}, None),
        ("2026-10-28T09:00", {"days": (2, 4)}, "2026-10-19"),
        ("2026-10-26T00:00", {"hour": 0}, "2026-10-19"),
        ("2026-10-28T09:00", {"digests": False}, None),
        ("2026-10-28T09:00", {"created": "2026-10-27"}, None),
        ("2026-10-28T09:00", {"created": "2026-10-26T09:00"}, "2026-10-19"),
    ],
)
def test_the_digest_of_a_week_is_due(
    now: str, options: dict[str, object], expected: str | None
) -> None:
    """The week has 169 hours: clocks go back on its Sunday."""
    assert week(now, **options) == expected


def test_working_days_are_those_of_the_zone() -> None:
    friday_evening = at("2026-10-23T23:00", "UTC")
    assert is_working_day(ReceiverSettings(), friday_evening)
    assert not is_working_day(ReceiverSettings(timezone=BERLIN), friday_evening)


def test_settings_are_read_from_texts() -> None:
    given = {"team": "web", "timezone": BERLIN, "days": "Fri, mon", "hour": "0", "sends": "alerts"}
    assert read_settings({**given, "open_hours": "3"}) == ReceiverSettings(
        "web", BERLIN, (0, 4), 0, digests=False, alerts=True, open_hours=3
    )
    assert read_settings(dict.fromkeys(given, "")) == ReceiverSettings()
    wrong = {"team": "x\n", "timezone": "Mars", "days": "someday", "hour": "24", "open_hours": "0"}
    with pytest.raises(Invalid) as raised:
        read_settings({**wrong, "sends": "nothing"})
    assert {each.parameter for each in raised.value.problems} == {*wrong, "sends"}
