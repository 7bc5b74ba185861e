"""The navigation of the dashboard."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from theodora.web.pages.shell.page import Page, Section


class Entry(NamedTuple):
    """A place of the navigation."""

    place: Section
    label: str
    short_label: str
    """For phones."""
    path: str
    shortcut: str
    """The key that, after `g`, leads there."""


ENTRIES = (
    Entry("overview", "Overview", "Overview", "/", "o"),
    Entry("now", "Now", "Now", "/now", "n"),
    Entry("deployments", "Deployments", "Deploys", "/deployments", "d"),
    Entry("failures", "Failures", "Failures", "/failures", "f"),
    Entry("pull_requests", "Pull requests", "PRs", "/pull-requests", "p"),
    Entry("data_health", "Data health", "Health", "/data-health", "h"),
    Entry("settings", "Settings", "Settings", "/settings/rules", "s"),
)


def tabs(pages: Iterable[Page], place: Section, may: Callable[[str], bool]) -> tuple[Page, ...]:
    """The pages of a section that have a tab and may be seen, in the order of the page table."""
    return tuple(
        page
        for page in pages
        if page.tab and page.place == place and (page.permission is None or may(page.permission))
    )


def entries(pages: Iterable[Page]) -> tuple[Entry, ...]:
    """The entries that have a page."""
    paths = {page.path for page in pages}
    return tuple(entry for entry in ENTRIES if entry.path in paths)
