"""Logs: one JSON object a line on stdout, ours and the libraries', all through one redaction."""

import logging
import re
import sys
from typing import TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from ordergate.access import redaction

_SECRET_NAMES = frozenset(
    {
        "x-api-key",
        "x-mbx-apikey",
        "authorization",
        "signature",
        "apikey",
        "api_key",
        "listenkey",
        "secret",
        "token",
        "password",
    }
)
_FORMS = re.compile(
    r"\bS[UAONCX][A-Z2-7]{50,}\b|\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}|(?<=://)[^\s/@]{1,256}(?=@)"
)
_QUIET = ("httpx", "httpcore", "aiohttp.access", "faststream.access")
"""They log whole URLs, signature included, at INFO."""
_SAYS_NOTHING = "returning true from eof_received()"
"""Of asyncio at the end of each TLS connection that nats-py made from a plain one."""
_DEPTH_MAX = 6


def redact_text(text: str) -> str:
    """Text without secrets: those of access.redaction, seeds and tokens of the bus, and who stands before the @ of an address."""
    return _FORMS.sub(redaction.MASK, redaction.redact(text))


def redact_event(_logger: WrappedLogger | None, _method: str, event: EventDict) -> EventDict:
    """The processor. It stands last before the renderer, so that nothing is added after it."""
    return {str(name): _redacted(str(name), value, 0) for name, value in event.items()}


def configure_logs(*, service: str, instance: str, level: int = logging.INFO, output: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging, once, in the process's main function."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    named = _name_process(service, instance)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            named,
            redact_event,
            structlog.processors.JSONRenderer(default=repr),
        ],
    )
    handler = logging.StreamHandler(output or sys.stdout)
    handler.setFormatter(formatter)
    handler.addFilter(_says_something)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _says_something(record: logging.LogRecord) -> bool:
    return not (record.name == "asyncio" and str(record.msg).startswith(_SAYS_NOTHING))


def _name_process(service: str, instance: str) -> Processor:
    def name(_logger: WrappedLogger | None, _method: str, event: EventDict) -> EventDict:
        return {"service": service, "instance": instance, **event}

    return name


def _redacted(name: str, value: object, depth: int) -> object:
    """A value by its name and its text. Anything that is not plain is logged as its repr, redacted; deep nests end."""
    if name.lower().replace("-", "_").replace("_", "-") in _SECRET_NAMES or name.lower() in _SECRET_NAMES:
        return redaction.MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if depth < _DEPTH_MAX and isinstance(value, dict):
        return {redact_text(str(key)): _redacted(str(key), part, depth + 1) for key, part in value.items()}
    if depth < _DEPTH_MAX and isinstance(value, list | tuple):
        return [_redacted(name, part, depth + 1) for part in value]
    return redact_text(repr(value))
