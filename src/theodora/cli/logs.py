"""Structured logs: a line an event, as JSON or, on a terminal, as text."""

import logging
import sys
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict

from theodora.cli.terminal import safe_json, safe_lines
from theodora.config import Config
from theodora.report.wording import visible
from theodora.web.http.observe import request_id_of_task


def configure_logs(config: Config) -> None:
    """Sends our lines and the HTTP server's to standard error, in one form."""
    level = logging.getLevelNamesMapping()[config.log_level.upper()]
    as_text = config.log_format == "text" or (config.log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        _add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    renderer: list[Any] = (
        [
            structlog.processors.format_exc_info,
            _without_controls,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_json)]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _add_request_id(_: object, __: str, line: EventDict) -> EventDict:
    request_id = request_id_of_task.get(None)
    if request_id is not None:
        line["request_id"] = request_id.decode()
    return line


def _without_controls(_: object, __: str, line: EventDict) -> EventDict:
    """Has no text of others end a line or act on the terminal."""
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = safe_lines(value) if name == "exception" else visible(value)
    return line


def _json(line: dict[str, Any], **_: object) -> str:
    return safe_json(msgspec.json.encode(line, enc_hook=str))
