"""The WebSocket API's frames: requests read, answers and events written.

Numbers in parameters keep the digits they were sent with: what was signed is text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ordergate.simulator.binance.failures import JSON_INVALID, illegal, missing
from ordergate.simulator.binance.operations import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordergate.simulator.binance.limits import Limit
    from ordergate.simulator.served import Response

LIMITED = frozenset({418, 429})


class _Number(str):
    """The digits of a number."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One request. id: as JSON; parameters: as text, lists and objects as JSON."""

    id: bytes
    method: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFrame:
    """What cannot be read, with the id to answer to."""

    id: bytes
    failure: Failure


def read_frame(text: bytes) -> Frame | BadFrame:
    """Take one text frame apart."""
    try:
        orjson.loads(text)  # stricter than the next: no NaN, no half characters, no depth without end
        document = json.loads(text, parse_int=_Number, parse_float=_Number)
    except (ValueError, RecursionError):
        return BadFrame(id=b"null", failure=JSON_INVALID)
    if not isinstance(document, dict):
        return BadFrame(id=b"null", failure=JSON_INVALID)
    named = document.get("id")
    if named is not None and not isinstance(named, str):
        return BadFrame(id=b"null", failure=illegal("id", "^[a-zA-Z0-9-_]{1,36}$"))
    identity = named.encode() if isinstance(named, _Number) else orjson.dumps(named)
    method, parameters = document.get("method"), document.get("params", {})
    if not isinstance(method, str) or not method:
        return BadFrame(id=identity, failure=missing("method"))
    if not isinstance(parameters, dict):
        return BadFrame(id=identity, failure=JSON_INVALID)
    return Frame(
        id=identity, method=method.removeprefix("v3/").removeprefix("v1/"), parameters=_texts(parameters, text)
    )


def answer_frame(identity: bytes, response: Response, used: Sequence[tuple[Limit, int]] | None, now_ms: int) -> bytes:
    """`{"id","status","result"|"error","rateLimits"}`; used None: the client does not want the last."""
    limits = b""
    if used is not None:
        limits = b',"rateLimits":' + orjson.dumps([{**limit.row(), "count": count} for limit, count in used])
    name = b"result" if response.status == 200 else b"error"  # noqa: PLR2004
    body = response.body if response.status == 200 else _error(response, now_ms)  # noqa: PLR2004
    return b'{"id":%b,"status":%d,"%b":%b%b}' % (identity, response.status, name, body, limits)


def event_frame(payload: dict[str, object], subscription: int | None = None) -> bytes:
    """`{"subscriptionId","event"}`."""
    head: dict[str, object] = {} if subscription is None else {"subscriptionId": subscription}
    return orjson.dumps({**head, "event": payload})


def _error(response: Response, now_ms: int) -> bytes:
    if not response.content_type.startswith("application/json"):
        return orjson.dumps({"code": -1000, "msg": "Request blocked." if response.status == 403 else "Error"})  # noqa: PLR2004
    if response.status not in LIMITED:
        return response.body
    seconds = next((int(value) for name, value in response.headers if name == "Retry-After"), 0)
    data = {"serverTime": now_ms, "retryAfter": now_ms + seconds * 1000}
    return orjson.dumps({**orjson.loads(response.body), "data": data})


def _texts(parameters: dict[str, Any], text: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parameters.items():
        if isinstance(value, str):
            found[name] = str(value)
        elif isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif value is not None:
            found[name] = json.dumps(json.loads(text)["params"][name], separators=(",", ":"), ensure_ascii=False)
    return found
