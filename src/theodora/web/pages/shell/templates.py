"""Templates: compiled once, escaping everything, and strict about what they are given."""

from collections.abc import Mapping
from functools import cache
from shlex import quote
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from theodora.report.reasons import judge_name, rule_anchor
from theodora.report.scope import service_path
from theodora.report.wording import FILTERS


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("theodora.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        cache_size=-1,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        {
            **FILTERS,
            "shell": quote,
            "service_path": service_path,
            "rule_anchor": rule_anchor,
            "judge_name": judge_name,
        }
    )
    return made


def render(template: str, values: Mapping[str, Any]) -> str:
    return environment().get_template(template).render(values)
