"""The protocol, by its official SDK: a server of our tools and prompts, on either transport.

The SDK is an extra, and large. It is imported with the first message, never at the start.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import anyio

from theodora import __version__
from theodora.errors import Invalid, UnusableSetting
from theodora.web.http.operations import Request
from theodora.web.http.responses import JSON, Reply
from theodora.web.mcp import prompts
from theodora.web.mcp.caller import ToolCaller
from theodora.web.mcp.tools import TOOLS, call_tool

NOT_INSTALLED = 'MCP needs its SDK, which is not installed: pip install "theodora[mcp]"'

_INSTRUCTIONS = (
    "DORA metrics of this organisation: how often it deploys, how long changes take, how many "
    "deployments fail, and how soon they are fixed. Look at one service or team at a time. A "
    "difference that chance explains is no change. Everything here is read-only."
)


def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("mcp") is not None


class _ToolServer:
    """The handlers of one organisation's requests; the SDK calls them in an event loop."""

    def __init__(self, caller: Callable[[], ToolCaller]) -> None:
        self._caller = caller
        self._types: Any = import_module("mcp_types")

    def of_sdk(self) -> Any:
        server = import_module("mcp.server.lowlevel").Server
        return server(
            "theodora",
            version=__version__,
            instructions=_INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._get_prompt,
        )

    async def _list_tools(self, _: Any, __: Any) -> Any:
        hints = self._types.ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        )
        tools = [
            self._types.Tool(
                name=tool.name,
                title=tool.title,
                description=tool.description,
                input_schema=tool.schema,
                annotations=hints,
            )
            for tool in TOOLS
        ]
        return self._types.ListToolsResult(tools=tools)

    async def _call_tool(self, _: Any, asked: Any) -> Any:
        text, is_error = call_tool(self._caller(), asked.name, asked.arguments or {})
        return self._types.CallToolResult(content=[self._text(text)], is_error=is_error)

    async def _list_prompts(self, _: Any, __: Any) -> Any:
        prompt = self._types.Prompt(
            name=prompts.REVIEW,
            title=prompts.REVIEW_TITLE,
            description=prompts.REVIEW_DESCRIPTION,
            arguments=[
                self._types.PromptArgument(name=name, description=description, required=False)
                for name, description in prompts.REVIEW_ARGUMENTS
            ],
        )
        return self._types.ListPromptsResult(prompts=[prompt])

    async def _get_prompt(self, _: Any, asked: Any) -> Any:
        try:
            if asked.name != prompts.REVIEW:
                raise self._refusal(f'there is no prompt "{asked.name}"')
            text = prompts.review_month(self._caller(), asked.arguments or {})
        except Invalid as error:
            raise self._refusal(str(error)) from None
        message = self._types.PromptMessage(role="user", content=self._text(text))
        return self._types.GetPromptResult(
            description=prompts.REVIEW_DESCRIPTION, messages=[message]
        )

    def _refusal(self, detail: str) -> Exception:
        error: Exception = import_module("mcp.shared.exceptions").MCPError(
            code=self._types.INVALID_PARAMS, message=detail
        )
        return error

    def _text(self, text: str) -> Any:
        return self._types.TextContent(type="text", text=text)


def serve_stdio(caller: Callable[[], ToolCaller]) -> None:
    """Serves one client on standard input and output, until the input ends."""
    if not is_installed():
        raise UnusableSetting(NOT_INSTALLED)
    anyio.run(_serve_stdio, caller)


async def _serve_stdio(caller: Callable[[], ToolCaller]) -> None:
    server = _ToolServer(caller).of_sdk()
    async with import_module("mcp.server.stdio").stdio_server() as (received, sent):
        await server.run(received, sent, server.create_initialization_options())


def exchange(request: Request, caller: ToolCaller) -> Reply:
    """The reply to one message over HTTP, which no other message depends on.

    It has an event loop of its own on the request's thread, so that reads keep its deadline.
    """
    return anyio.run(_exchange, request, caller)


async def _exchange(request: Request, caller: ToolCaller) -> Reply:
    manager = import_module("mcp.server.streamable_http_manager").StreamableHTTPSessionManager(
        _ToolServer(lambda: caller).of_sdk(), stateless=True, json_response=True
    )
    bodies = [{"type": "http.request", "body": request.body, "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        if not bodies:
            # The endpoint watches whether the client leaves.
            await anyio.sleep_forever()
        return bodies.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    async with manager.run():
        await manager.handle_request(_scope(request), receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return Reply(sent[0]["status"], body, JSON)


def _scope(request: Request) -> dict[str, Any]:
    headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()
    ]
    return {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "query_string": b"",
        "headers": headers,
    }
