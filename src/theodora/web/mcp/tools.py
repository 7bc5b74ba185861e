"""The table of tools, and the one way to call them.

Tools only read, and only what the caller's organisation has. Each answers with a short text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from theodora.errors import Invalid, NotFound, Problem, TooSlow
from theodora.web.http.asgi import log_failure
from theodora.web.mcp import data_health, events, insights, metrics
from theodora.web.mcp.caller import NoArguments, ToolCaller


@dataclass(frozen=True, slots=True)
class Tool:
    """A row of the table."""

    name: str
    """Datadog's, where its MCP server has such a tool."""
    title: str
    description: str
    arguments: type[msgspec.Struct]
    answer: Callable[[ToolCaller, Any], str]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        _, components = msgspec.json.schema_components([self.arguments])
        schema = components[self.arguments.__name__]
        return {"type": "object", **{name: schema[name] for name in _SHOWN if name in schema}}


_SHOWN = ("properties", "required", "additionalProperties")

TOOLS: tuple[Tool, ...] = (
    Tool(
        "search_dora_events",
        "Search deployments, failures and pull requests",
        "Find deployments, failures or pull requests with the search language (service:checkout "
        "change_failure:true env:production), or get one of them by its id with all its "
        "attributes. Call get_dora_fields for the fields of a query.",
        events.SearchArguments,
        events.search,
    ),
    Tool(
        "aggregate_dora_events",
        "Get the DORA metrics",
        "The five DORA metrics of a period, compared with the period before: every change comes "
        "with whether it is more than chance explains. Also by group and by interval. A metric "
        "without events has no value, which is not zero. With event_type pull_request the metrics "
        "of pull requests: cycle time and its stages, time to deploy, size, reviewers.",
        metrics.AggregateArguments,
        metrics.aggregate,
    ),
    Tool(
        "get_dora_insights",
        "See what changed",
        "Up to five sentences about what changed in a period, beyond chance and with regard to how "
        "many services and metrics are compared, and what needs attention: open failures, failed "
        "deployments without a fix, silent sources, pending verdicts.",
        insights.InsightsArguments,
        insights.list_insights,
    ),
    Tool(
        "get_dora_fields",
        "List the fields of queries",
        "The fields that a query can name, what lists can be sorted by, and what metrics can be "
        "grouped by: of deployments and failures, or of pull requests.",
        events.FieldsArguments,
        events.list_fields,
    ),
    Tool(
        "explain_dora_deployment",
        "Explain a deployment",
        "Why a deployment counts as failed or OK: the rules that were tried, its commits and "
        "their lead times, what fixed it, and which data is missing.",
        events.ExplainArguments,
        events.explain,
    ),
    Tool(
        "get_dora_data_health",
        "Check the data",
        "What makes the metrics incomplete: silent sources, refused requests, deployments "
        "without lead times and why. Call it before you draw a conclusion from a metric.",
        NoArguments,
        data_health.check,
    ),
)

_BY_NAME: Mapping[str, Tool] = {tool.name: tool for tool in TOOLS}


class ToolAnswer(NamedTuple):
    """The text of a tool, or what was wrong."""

    text: str
    is_error: bool


def call_tool(caller: ToolCaller, name: str, arguments: Mapping[str, Any]) -> ToolAnswer:
    """The answer of the tool; an error is an answer too, and names the argument that is wrong."""
    try:
        tool = _BY_NAME.get(name)
        if tool is None:
            raise Invalid(Problem(f'must be one of "{" ".join(_BY_NAME)}"', parameter="name"))
        return ToolAnswer(tool.answer(caller, _read(tool, arguments)), is_error=False)
    except (Invalid, NotFound, TooSlow) as error:
        return ToolAnswer(str(error), is_error=True)
    except Exception as error:  # The last place that can answer.
        log_failure(error)
        return ToolAnswer("the server could not answer; its log has the reason", is_error=True)


def _read(tool: Tool, arguments: Mapping[str, Any]) -> msgspec.Struct:
    try:
        return msgspec.convert(arguments, tool.arguments)
    except msgspec.ValidationError as error:
        raise Invalid(Problem(str(error).replace("$.", ""))) from None
