"""Text with code between backticks and bold between double asterisks."""

import re

from markupsafe import Markup, escape

_CODE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")


def marked(text: str) -> Markup:
    """The text as HTML; everything else in it is escaped."""
    coded = _CODE.sub(r"<code>\1</code>", str(escape(text)))
    return Markup(_BOLD.sub(r"<b>\1</b>", coded))  # noqa: S704 - escaped first
