import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ordergate.access.http import Engine, Origin
from ordergate.access.keys.store import Secret, key_of
from ordergate.access.keys.vault import KubernetesLogin, TokenLogin, Vault
from ordergate.access.redaction import redact
from ordergate.trading.errors import Misconfigured, OrdergateError, SecretStoreUnavailable, UnsafeKeyFile, WrongKey
from tests.unit.access.stage import ToldClock, answer, say, serving

TOKEN, JWT = "hvs.Canary-token-0123456789", "eyJ.canary-jwt.0123456789"
FIELDS = {"key": "zd_" + "cd" * 20, "secret": "canary-secret-0123456789"}


@dataclass(slots=True)
class FakeVault:
    """What the tests need of Vault's API: KV v2 under `secret/`, a login for service accounts, tokens that can be taken back."""

    secrets: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"ordergate/main": [FIELDS]})
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    readable: bool = True
    lease: int = 60
    logins: int = 0
    reads: int = 0
    answers: list[bytes] = field(default_factory=list)  # said instead, one a request

    def answer(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        if self.answers:
            return self.answers.pop(0)
        if (method, path) == ("POST", "/v1/auth/kubernetes/login"):
            return self._log_in(json.loads(body))
        assert method == "GET"
        assert headers["x-vault-request"] == "true"
        self.reads += 1
        if headers.get("x-vault-token") not in self.tokens or not self.readable:
            return answer(b'{"errors":["permission denied"]}', status="403 Forbidden")
        versions = self.secrets.get(path.removeprefix("/v1/secret/data/"))
        if not versions:
            return answer(b'{"errors":[]}', status="404 Not Found")
        metadata = {"version": len(versions), "created_time": "2026-01-02T03:04:05.678901234Z", "destroyed": False}
        return answer(json.dumps({"data": {"data": versions[-1], "metadata": metadata}}).encode())

    def _log_in(self, body: dict[str, str]) -> bytes:
        self.logins += 1
        if body != {"role": "gateway", "jwt": JWT}:
            return answer(b'{"errors":["service account not authorized"]}', status="403 Forbidden")
        token = f"{TOKEN}-{self.logins}"
        self.tokens = {token}
        auth = {"client_token": token, "lease_duration": self.lease, "renewable": True}
        return answer(json.dumps({"auth": auth}).encode())


@dataclass(slots=True)
class Stage:
    fake: FakeVault
    vault: Vault
    clock: ToldClock
    origin: Origin


@contextlib.asynccontextmanager
async def staged(folder: Path, *, by_account: bool = False, fake: FakeVault | None = None) -> AsyncIterator[Stage]:
    fake = fake or FakeVault()

    async def script(number: int, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say(writer, fake.answer(peer.requests[number - 1]))

    (folder / "token").write_text(TOKEN + "\n")
    (folder / "token").chmod(0o400)
    (folder / "jwt").write_text(JWT)
    login = (
        KubernetesLogin(role="gateway", jwt_file=folder / "jwt") if by_account else TokenLogin(file=folder / "token")
    )
    clock = ToldClock()
    async with serving(script) as peer:
        engine = Engine(peer.origin)
        yield Stage(fake, Vault(engine, login, clock=clock), clock, peer.origin)
        await engine.close()


async def test_a_key_comes_from_vault_with_its_version_and_age(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.fake.secrets["ordergate/main"].append({**FIELDS, "note": 7})
        secret = await stage.vault.read("ordergate/main")
        key = key_of(secret)
    assert (secret.version, secret.created_at_ms) == (2, 1_767_323_045_678)
    assert (key.public, key.secret) == (FIELDS["key"], FIELDS["secret"])
    assert FIELDS["secret"] not in f"{secret!r} {key!r} {redact(FIELDS['secret'])} {redact(TOKEN)}"


async def test_a_service_account_logs_in_once_for_many_readers_and_again_before_the_lease_ends(tmp_path: Path) -> None:
    async with staged(tmp_path, by_account=True) as stage:
        await asyncio.gather(*(stage.vault.read("ordergate/main") for _ in range(5)))
        assert stage.fake.logins == 1
        stage.clock.pass_seconds(39)
        await stage.vault.read("ordergate/main")
        assert stage.fake.logins == 1
        stage.clock.pass_seconds(2)
        await stage.vault.read("ordergate/main")
        assert stage.fake.logins == 2


async def test_a_token_that_was_taken_back_is_replaced(tmp_path: Path) -> None:
    async with staged(tmp_path, by_account=True) as stage:
        await stage.vault.read("ordergate/main")
        stage.fake.tokens.clear()
        assert (await stage.vault.read("ordergate/main")).version == 1
        assert stage.fake.logins == 2
    async with staged(tmp_path) as stage:
        stage.fake.tokens = {"another"}
        with pytest.raises(WrongKey, match="policy"):
            await stage.vault.read("ordergate/main")
        (tmp_path / "token").chmod(0o600)
        (tmp_path / "token").write_text("another")
        assert (await stage.vault.read("ordergate/main")).version == 1


async def test_what_is_not_ours_is_refused_after_one_more_login_only(tmp_path: Path) -> None:
    async with staged(tmp_path, by_account=True, fake=FakeVault(readable=False)) as stage:
        with pytest.raises(WrongKey, match="policy"):
            await stage.vault.read("ordergate/main")
        assert (stage.fake.logins, stage.fake.reads) == (2, 2)


@pytest.mark.parametrize(
    "fields",
    [{}, {"key": "a"}, {"key": "a b", "secret": "c"}, {"key": "a", "secret": "b\r\nX: y"}, {"key": 1, "secret": 2}],
)
async def test_a_secret_that_is_no_key_is_refused_without_quoting_it(tmp_path: Path, fields: dict[str, Any]) -> None:
    async with staged(tmp_path, fake=FakeVault(secrets={"k": [fields]})) as stage:
        with pytest.raises(WrongKey) as caught:
            key_of(await stage.vault.read("k"))
        assert "X: y" not in str(caught.value)


async def test_a_missing_secret_is_refused(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        with pytest.raises(WrongKey, match="no secret"):
            await stage.vault.read("nothing")


@pytest.mark.parametrize(
    ("said", "error", "advice"),
    [
        (answer(b"", status="503 Service Unavailable"), SecretStoreUnavailable, "sealed"),
        (answer(b"", status="429 Too Many Requests"), SecretStoreUnavailable, "throttles"),
        (answer(b"", status="500 Internal Server Error"), SecretStoreUnavailable, "stays in use"),
        (
            answer(b"", status="307 Temporary Redirect", headers="Location: /elsewhere\r\n"),
            SecretStoreUnavailable,
            "307",
        ),
        (answer(b"<html>"), SecretStoreUnavailable, "JSON"),
        (answer(b"[]"), WrongKey, "version 2"),
        (answer(b'{"data":{"key":"a","secret":"b"}}'), WrongKey, "version 2"),
        (answer(b'{"data":{"data":null,"metadata":{"version":3,"deletion_time":"x"}}}'), WrongKey, "version 2"),
        (b"nonsense\r\n\r\n", SecretStoreUnavailable, "did not answer"),
    ],
)
async def test_a_store_that_is_unwell_gives_no_key_and_says_why(
    tmp_path: Path, said: bytes, error: type[OrdergateError], advice: str
) -> None:
    async with staged(tmp_path, fake=FakeVault(answers=[said])) as stage:
        with pytest.raises(error, match=advice) as caught:
            await stage.vault.read("ordergate/main")
        assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer(b"{}"), SecretStoreUnavailable),
        (answer(b'{"auth":{"client_token":"a\\r\\nb","lease_duration":1}}'), SecretStoreUnavailable),
        (answer(b"", status="400 Bad Request"), WrongKey),
        (answer(b"", status="503 Service Unavailable"), SecretStoreUnavailable),
    ],
)
async def test_a_login_that_fails_says_so(tmp_path: Path, said: bytes, error: type[OrdergateError]) -> None:
    async with staged(tmp_path, by_account=True, fake=FakeVault(answers=[said])) as stage:
        with pytest.raises(error) as caught:
            await stage.vault.read("ordergate/main")
        assert JWT not in str(caught.value)


async def test_a_token_file_is_judged_like_a_key_file(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        (tmp_path / "token").chmod(0o644)
        with pytest.raises(UnsafeKeyFile, match="0400"):
            await stage.vault.read("ordergate/main")
        (tmp_path / "token").write_text("two tokens")
        (tmp_path / "token").chmod(0o400)
        with pytest.raises(UnsafeKeyFile, match="one token"):
            await stage.vault.read("ordergate/main")
    async with staged(tmp_path, by_account=True) as stage:
        (tmp_path / "jwt").unlink()
        with pytest.raises(UnsafeKeyFile):
            await stage.vault.read("ordergate/main")


async def test_a_vault_that_is_away_is_unavailable(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        origin = stage.origin
    (tmp_path / "token").chmod(0o400)
    engine = Engine(origin)
    with pytest.raises(SecretStoreUnavailable, match="reached"):
        await Vault(engine, TokenLogin(file=tmp_path / "token"), clock=ToldClock()).read("a")
    with pytest.raises(Misconfigured):
        Vault(engine, TokenLogin(file=tmp_path / "token"), clock=ToldClock(), namespace="a\r\nX: y")
    await engine.close()


def test_a_secret_does_not_leave() -> None:
    with pytest.raises(TypeError, match="does not leave"):
        Secret(version=1, created_at_ms=None, fields=FIELDS).__reduce__()
