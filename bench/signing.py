"""`python -m bench.signing`: from an order to the text that is sent, beside what ccxt's `sign` does for the same request.

Each side makes query, body and signature of its own; HMAC keys. ccxt's Binance is its own, its Zetarium the one of `bench.peers`.
"""

import gc
import json
import sys
import time
from collections.abc import Callable

import ccxt.async_support as ccxt
import orjson

from bench.figures import Figures, quantile
from bench.installation import Timestamps
from bench.peers import CcxtZetarium
from bench.report import rounded
from ordergate.access.keys import make_key
from ordergate.access.keys.material import HmacSecret
from ordergate.access.signing import binance, sign_sorted_query

ROUNDS = 7
CALLS = 4_000
MICROSECONDS_MAX = 30.0
RATIO_MAX = 0.5
_PUBLIC, _SECRET = "zd_" + "5e" * 20, "5e" * 32
_NS_PER_US = 1_000

_ZETARIUM_ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "quantity": "0.01000000",
    "price": "64250.50",
    "clientOrderId": "alpha-000017",
}
_BINANCE_ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01000000",
    "price": "64250.50",
    "newClientOrderId": "alpha-000017",
}


def signing_figures() -> dict[str, Figures]:
    """us per request, median of ROUNDS interleaved rounds, and the ratio to ccxt, by venue."""
    return {
        "zetarium": _compared(_ours_zetarium(), _ccxt_zetarium()),
        "binance": _compared(_ours_binance(), _ccxt_binance()),
    }


def _compared(ours: Callable[[], object], theirs: Callable[[], object]) -> Figures:
    times: dict[Callable[[], object], list[float]] = {ours: [], theirs: []}
    for _ in range(ROUNDS):
        for side, measured in times.items():
            measured.append(_microseconds(side))
    own, other = quantile(times[ours], 0.5), quantile(times[theirs], 0.5)
    return {"us": own, "ccxtUs": other, "ratioToCcxt": own / other}


def _microseconds(call: Callable[[], object]) -> float:
    gc.collect()
    began = time.perf_counter_ns()
    for _ in range(CALLS):
        call()
    return (time.perf_counter_ns() - began) / CALLS / _NS_PER_US


def _ours_zetarium() -> Callable[[], object]:
    key, timestamps = make_key(public=_PUBLIC, secret=_SECRET), Timestamps()

    def call() -> tuple[str, bytes]:
        return f"/v2/orders?{sign_sorted_query((), timestamps.next(), key)}", orjson.dumps(_ZETARIUM_ORDER)

    return call


def _ours_binance() -> Callable[[], object]:
    material, timestamps = HmacSecret(_SECRET.encode()), Timestamps()
    order = list(_BINANCE_ORDER.items())
    return lambda: binance.sign_request(material, timestamp=timestamps.next(), body=order, recv_window_ms=5_000)


def _ccxt_zetarium() -> Callable[[], object]:
    exchange = CcxtZetarium({"apiKey": _PUBLIC, "secret": _SECRET, "urls": {"api": "http://127.0.0.1"}})
    exchange.timestamps = Timestamps()
    return lambda: exchange.sign("orders", "private", "POST", _ZETARIUM_ORDER)


def _ccxt_binance() -> Callable[[], object]:
    exchange = ccxt.binance({"apiKey": _PUBLIC, "secret": _SECRET, "options": {"recvWindow": 5_000}})
    return lambda: exchange.sign("order", ["private"], "POST", dict(_BINANCE_ORDER))


def main() -> None:
    figures = signing_figures()
    for venue, each in figures.items():
        kept = each["us"] <= MICROSECONDS_MAX and each["ratioToCcxt"] <= RATIO_MAX
        print(
            f"{venue:9} {each['us']:6.1f} us   ccxt {each['ccxtUs']:6.1f} us   ratio {each['ratioToCcxt']:.2f}"
            f"   {'as wanted' if kept else f'over {MICROSECONDS_MAX:g} us or {RATIO_MAX:g}'}"
        )
    sys.stdout.write(json.dumps({"signing": rounded(figures)}) + "\n")


if __name__ == "__main__":
    main()
