"""Listen keys of USD-M futures: one an account, an hour long, made again or kept alive by a call that shows the key and signs nothing."""

from __future__ import annotations

import string
from random import Random
from typing import TYPE_CHECKING

from ordergate.simulator.binance.failures import LISTEN_KEY_UNKNOWN
from ordergate.simulator.binance.operations import Call, Engine, Failure, Operation, Security

if TYPE_CHECKING:
    from collections.abc import Iterable

LENGTH = 64


class ListenKeys:
    """All that are alive."""

    __slots__ = ("_by_account", "_life_ms", "_random")

    def __init__(self, seed: int, life_ms: int) -> None:
        """None yet; names are drawn from the seed."""
        self._random = Random(f"{seed}:listen keys")
        self._life_ms = life_ms
        self._by_account: dict[str, tuple[str, int]] = {}

    def start(self, account: str, now_ms: int) -> str:
        """The account's key, made if there is none, alive for another hour."""
        known = self._alive(account, now_ms)
        key = known or "".join(self._random.choices(string.ascii_letters + string.digits, k=LENGTH))
        self._by_account[account] = (key, now_ms + self._life_ms)
        return key

    def ping(self, account: str, now_ms: int) -> str | None:
        """Keep it alive; None: there is none."""
        return self.start(account, now_ms) if self._alive(account, now_ms) else None

    def stop(self, account: str) -> None:
        """Forget it."""
        self._by_account.pop(account, None)

    def account(self, key: str, now_ms: int) -> str | None:
        """Whose it is."""
        return next((name for name in self._by_account if self._alive(name, now_ms) == key), None)

    def expired(self, now_ms: int) -> list[tuple[str, str]]:
        """(account, key) of those that ended by now; they are forgotten."""
        ended = [(name, key) for name, (key, until_ms) in self._by_account.items() if now_ms >= until_ms]
        for name, _ in ended:
            del self._by_account[name]
        return ended

    def _alive(self, account: str, now_ms: int) -> str | None:
        key, until_ms = self._by_account.get(account, ("", 0))
        return key if now_ms < until_ms else None


def listen_key_operations(keys: ListenKeys) -> Iterable[Operation[Engine]]:
    """POST, PUT, DELETE, and the same on the WebSocket API."""

    def start(engine: Engine, call: Call) -> object:
        del engine
        return {"listenKey": keys.start(call.account.name, call.now_ms)}

    def ping(engine: Engine, call: Call) -> object | Failure:
        del engine
        key = keys.ping(call.account.name, call.now_ms)
        return LISTEN_KEY_UNKNOWN if key is None else {"listenKey": key}

    def stop(engine: Engine, call: Call) -> object:
        del engine
        keys.stop(call.account.name)
        return {}

    rows = (("POST", "start", start), ("PUT", "ping", ping), ("DELETE", "stop", stop))
    for method, verb, answer in rows:
        yield Operation(
            name=f"listenKey {verb}",
            method=method,
            path="/fapi/v1/listenKey",
            ws=f"userDataStream.{verb}",
            answer=answer,
            security=Security.KEY,
            optional=("listenKey",),
        )
