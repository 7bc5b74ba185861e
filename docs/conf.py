"""The documentation site: the Markdown files of this repository, in the order of docs/README.md.

`make site` builds it from the repository's root, so every link between files works there as it does
in the repository. A file that is linked but is no page (a sample, a test) is put beside the pages.
"""

import re
import shutil

from sphinx.application import Sphinx

from theodora import __version__

CONTENTS = "docs/README"
"""The page whose sections are the parts of the navigation, and their links its pages."""

PICTURES = "docs/images"

project = "Theodora"
release = __version__
html_title = f"Theodora {__version__}"
extensions = ["myst_parser"]
root_doc = CONTENTS
include_patterns = ["[A-Z]*.md", "docs/**.md"]
# Anchors as the forges make them of headings.
myst_heading_anchors = 4
html_theme = "furo"
html_static_path = ["site/site.css"]
html_css_files = ["site.css"]
html_extra_path = ["site/index.html"]
html_favicon = "../src/theodora/web/static/mark.svg"
html_show_sphinx = False
html_show_copyright = False
html_use_index = False
html_copy_source = False
nitpicky = True
# A block without a language is text, and JSON may have an ellipsis.
highlight_language = "text"
suppress_warnings = ["misc.highlighting_failure"]

_SECTION = re.compile(r"^## (?P<title>.+)\n(?P<body>(?:(?!## ).*\n)*)", re.MULTILINE)
_FIRST_CELLS = re.compile(r"^\|([^|]+)\|", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(([^)#:]+)\.md\)")


def add_contents(_: Sphinx, docname: str, source: list[str]) -> None:
    """Makes the navigation of the tables of links, one part a section."""
    if docname == CONTENTS:
        source[0] = _SECTION.sub(_with_toctree, source[0])


def _with_toctree(section: re.Match[str]) -> str:
    cells = "".join(_FIRST_CELLS.findall(section["body"]))
    pages = [f"{title} <{path}>" for title, path in _LINK.findall(cells)]
    lines = ("```{toctree}", ":hidden:", f":caption: {section['title']}", "", *pages)
    return "\n".join((section[0], *lines, "```", "", ""))


def copy_pictures(app: Sphinx, _: Exception | None) -> None:
    """For a page in HTML, as README.md's picture for light and dark is: Sphinx leaves it alone."""
    shutil.copytree(app.srcdir / PICTURES, app.outdir / PICTURES, dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_contents)
    app.connect("build-finished", copy_pictures)
