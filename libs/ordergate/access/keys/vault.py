"""HashiCorp Vault, and what speaks its HTTP API: the key/value engine, version 2, by token or by a Kubernetes service account.

Reads only. A token is renewed by logging in again, when its lease is two thirds over or Vault says 403; a token from a file is read again then.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from ordergate.access import redaction
from ordergate.access.http import AnswerLost, Engine, NothingSent
from ordergate.access.keys.files import KEY_FILE_BYTES_MAX, read_private
from ordergate.access.keys.store import Secret
from ordergate.access.response import Response
from ordergate.ports.clock import Clock
from ordergate.trading.errors import Misconfigured, SecretStoreUnavailable, UnsafeKeyFile, WrongKey

REQUEST_SECONDS = 5.0
LEASE_SHARE = 2 / 3
_FORBIDDEN, _NOT_FOUND, _OK = 403, 404, 200
_THROTTLED = 429
_SEALED = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogin:
    """A token that somebody else keeps alive: an agent that writes it into a file which only we can read."""

    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesLogin:
    """role: as Vault's Kubernetes method at `mount` knows it. The service account's token may be readable in its container: its mode is not judged."""

    role: str
    mount: str = "kubernetes"
    jwt_file: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(slots=True)
class _Token:
    text: str = field(repr=False)
    until: float  # monotonic seconds


class Vault:
    """A SecretStore. engine: to Vault's address, closed by whoever opened it; https, or plain text to this machine alone."""

    def __init__(
        self,
        engine: Engine,
        login: TokenLogin | KubernetesLogin,
        *,
        clock: Clock,
        mount: str = "secret",
        namespace: str | None = None,
    ) -> None:
        if namespace is not None and not (namespace.isascii() and namespace.isprintable()):
            raise Misconfigured("a namespace of vault is visible ASCII")
        self._engine = engine
        self._login = login
        self._clock = clock
        self._mount = mount
        self._namespace = namespace
        self._token: _Token | None = None
        self._logging_in = asyncio.Lock()

    async def read(self, name: str) -> Secret:
        """`GET /v1/<mount>/data/<name>`. Raises WrongKey (no such secret, not ours, deleted), SecretStoreUnavailable, UnsafeKeyFile (of the token)."""
        path = f"/v1/{quote(self._mount)}/data/{quote(name)}"
        response = await self._call("GET", path, await self._valid_token())
        if response.status == _FORBIDDEN:
            self._token = None
            response = await self._call("GET", path, await self._valid_token())
        match response.status:
            case status if status == _OK:
                return _secret(response, name)
            case status if status == _NOT_FOUND:
                raise WrongKey(f"vault holds no secret {name!r} under {self._mount!r}, or its last version was deleted")
            case status if status == _FORBIDDEN:
                raise WrongKey(
                    f"vault does not let us read {name!r}; give our policy read on {self._mount}/data/{name}"
                )
            case status:
                raise _away(status)

    async def _valid_token(self) -> str:
        async with self._logging_in:  # many readers, one login
            if self._token is None or self._clock.monotonic() >= self._token.until:
                self._token = await self._log_in()
            return self._token.text

    async def _log_in(self) -> _Token:
        match self._login:
            case TokenLogin(file=file):
                return _Token(_line(read_private(file), file), until=float("inf"))
            case KubernetesLogin() as login:
                return await self._log_in_by_service_account(login)

    async def _log_in_by_service_account(self, login: KubernetesLogin) -> _Token:
        try:
            jwt = _line(login.jwt_file.read_bytes()[:KEY_FILE_BYTES_MAX], login.jwt_file)
        except OSError as error:
            raise UnsafeKeyFile(f"{login.jwt_file}: cannot be read: {error.strerror}") from error
        body = orjson.dumps({"role": login.role, "jwt": jwt})
        response = await self._call("POST", f"/v1/auth/{quote(login.mount)}/login", None, body)
        if response.status in {400, _FORBIDDEN}:
            raise WrongKey(f"vault does not let this service account in as {login.role!r}; bind it to that role")
        if response.status != _OK:
            raise _away(response.status)
        auth = _mapping(_document(response).get("auth"))
        token, lease = auth.get("client_token"), auth.get("lease_duration")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or type(lease) is not int:
            raise SecretStoreUnavailable("vault answered a login with something else than a token")
        redaction.register(token)
        seconds = lease * LEASE_SHARE if lease > 0 else float("inf")  # 0: it does not end
        return _Token(token, until=self._clock.monotonic() + seconds)

    async def _call(self, method: str, path: str, token: str | None, body: bytes = b"") -> Response:
        lines = [f"{method} {self._engine.origin.prefix}{path} HTTP/1.1", f"Host: {self._engine.origin.authority}"]
        lines += ["Accept: application/json", "Accept-Encoding: identity", "X-Vault-Request: true"]
        if token is not None:
            lines.append(f"X-Vault-Token: {token}")
        if self._namespace is not None:
            lines.append(f"X-Vault-Namespace: {self._namespace}")
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        connection = await self._engine.acquire(timeout_seconds=REQUEST_SECONDS)
        if isinstance(connection, NothingSent):
            raise SecretStoreUnavailable(f"vault cannot be reached: {connection.reason}")
        try:
            request = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body
            found = await connection.exchange(request, timeout_seconds=REQUEST_SECONDS)
        finally:
            self._engine.release(connection)
        if isinstance(found, NothingSent | AnswerLost):
            raise SecretStoreUnavailable(f"vault did not answer: {found.reason}")
        return found


def _secret(response: Response, name: str) -> Secret:
    data = _mapping(_document(response).get("data"))
    fields, metadata = _mapping(data.get("data")), _mapping(data.get("metadata"))
    texts = {label: text for label, text in fields.items() if isinstance(text, str)}
    redaction.register(*texts.values())
    version = metadata.get("version")
    if not texts or type(version) is not int:
        raise WrongKey(f"vault's secret {name!r} holds no text fields; is {name!r} in a key/value engine of version 2?")
    return Secret(version=version, created_at_ms=_time_ms(metadata.get("created_time")), fields=texts)


def _time_ms(text: Any) -> int | None:
    """RFC 3339 with up to nine decimals."""
    if not isinstance(text, str):
        return None
    whole, _, rest = text.partition(".")
    try:
        moment = datetime.fromisoformat(whole.removesuffix("Z") + "+00:00")
    except ValueError:
        return None
    decimals = "".join(sign for sign in rest[:3] if sign.isdigit()).ljust(3, "0")
    return int(moment.timestamp()) * 1_000 + int(decimals)


def _document(response: Response) -> Mapping[str, Any]:
    try:
        return _mapping(orjson.loads(response.body))
    except orjson.JSONDecodeError:
        raise SecretStoreUnavailable("vault answered with something else than JSON; is that its address?") from None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _line(content: bytes, path: Path) -> str:
    text = content.decode("ascii", "replace").strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise UnsafeKeyFile(f"{path}: must hold one token and nothing else")
    redaction.register(text)
    return text


def _away(status: int) -> SecretStoreUnavailable:
    why = "is sealed, or not yet ready" if status == _SEALED else "throttles us" if status == _THROTTLED else "failed"
    return SecretStoreUnavailable(f"vault {why} (HTTP {status}); the key that is loaded stays in use")
