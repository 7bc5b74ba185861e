"""A report as one HTML file: styles and drawings inside, no script, nothing loaded."""

import re

from markupsafe import Markup

from theodora import __version__
from theodora.report.intervals import interval_values
from theodora.report.monthly import MonthReport
from theodora.web.pages.shell.assets import assets
from theodora.web.pages.shell.templates import render

_LINK = re.compile(r"</?a\b[^>]*>")


def html_of(report: MonthReport) -> str:
    html = render(
        "report.html",
        {
            "report": report,
            "scope": report.scope,
            "clock": report.scope.clock,
            "style": Markup(assets()["theodora.css"].body.decode()),  # noqa: S704 - our own
            **interval_values(report.course, report.year),
            "version": __version__,
        },
    )
    # Without a dashboard there is nothing that numbers could lead to.
    return html if report.scope.prefix else _LINK.sub("", html)
