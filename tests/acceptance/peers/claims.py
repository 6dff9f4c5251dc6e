"""What an unmodified public client must be able to do at the simulator. A module a client, the same claims for each: docs/simulator.md has the table.

A client is changed in its base addresses and its key, and in nothing else.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import pytest

from tests.acceptance.peers.venue import SYMBOL, Served, served

QUANTITY = 0.01
AHEAD_MS = 20_000
CLOCK_SLACK_MS = 5_000
FEW = {"weight_1m": 60, "strikes": 1_000}
CALLS_MAX = 100


class Refused(Exception):
    """What the client made of a refusal, with the exchange's number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code


class Peer(ABC):
    """A client in the words that all of them share. Every call raises Refused where the exchange refuses."""

    dialect: ClassVar[str]

    def __init__(self, venue: Served, *, secret: str) -> None:
        self.venue = venue
        self.secret = secret

    def close(self) -> None:  # noqa: B027 - some clients have nothing to let go of
        """Let go of sockets."""

    @abstractmethod
    def server_time(self) -> int: ...
    @abstractmethod
    def symbols(self) -> set[str]: ...
    @abstractmethod
    def place(self, side: str, price: float | None = None) -> str:
        """A limit order, or a market order without a price; its id."""

    @abstractmethod
    def status(self, order_id: str) -> str:
        """In Binance's words."""

    @abstractmethod
    def cancel(self, order_id: str) -> None: ...
    @abstractmethod
    def replace(self, order_id: str, price: float) -> str:
        """By the one call that the client has for it; the id of what stands then."""

    @abstractmethod
    def open_orders(self) -> set[str]: ...
    @abstractmethod
    def traded(self) -> dict[str, float]:
        """Quantity by order id, out of the list of trades."""

    @abstractmethod
    def quote_balance(self) -> float: ...
    @abstractmethod
    def events_of_a_market_order(self) -> list[str]:
        """Subscribe to the account's events, place one, hear of it: the statuses of the order, in order."""


class Claims:
    """Collected once for each class that names its client."""

    peer_class: ClassVar[type[Peer]]
    secret: ClassVar[str]

    @pytest.fixture(scope="class")
    def venue(self) -> Iterator[Served]:
        with served(self.peer_class.dialect) as venue:
            yield venue

    @pytest.fixture
    def peer(self, venue: Served) -> Iterator[Peer]:
        peer = self.peer_class(venue, secret=self.secret)
        yield peer
        peer.close()

    def test_server_time(self, peer: Peer) -> None:
        assert abs(peer.server_time() - time.time() * 1_000) < CLOCK_SLACK_MS

    def test_exchange_info(self, peer: Peer) -> None:
        assert {SYMBOL, "ETHUSDT"} <= peer.symbols()

    def test_place_and_query(self, peer: Peer) -> None:
        order_id = peer.place("BUY", _below(peer))
        assert peer.status(order_id) == "NEW"
        assert peer.venue.orders()[order_id] == "NEW"

    def test_a_market_order_fills(self, peer: Peer) -> None:
        assert peer.status(peer.place("BUY")) == "FILLED"

    def test_cancel(self, peer: Peer) -> None:
        order_id = peer.place("BUY", _below(peer))
        peer.cancel(order_id)
        assert peer.status(order_id) == "CANCELED"

    def test_cancel_of_what_is_over(self, peer: Peer) -> None:
        order_id = peer.place("BUY", _below(peer))
        peer.cancel(order_id)
        with pytest.raises(Refused) as refused:
            peer.cancel(order_id)
        assert refused.value.code == -2011

    def test_replace(self, peer: Peer) -> None:
        order_id = peer.place("BUY", _below(peer))
        replaced = peer.replace(order_id, _below(peer, 0.94))
        open_now = peer.open_orders()
        assert replaced in open_now
        assert order_id == replaced or order_id not in open_now

    def test_open_orders(self, peer: Peer) -> None:
        placed = {peer.place("BUY", _below(peer)), peer.place("BUY", _below(peer, 0.93))}
        assert placed <= peer.open_orders()

    def test_trades(self, peer: Peer) -> None:
        order_id = peer.place("BUY")
        assert peer.traded()[order_id] == pytest.approx(QUANTITY)

    def test_account(self, peer: Peer) -> None:
        before = peer.quote_balance()
        peer.place("BUY")
        assert 0 < peer.quote_balance() < before

    def test_user_stream(self, peer: Peer) -> None:
        heard = peer.events_of_a_market_order()
        assert heard[-1] == "FILLED"
        assert set(heard) <= {"NEW", "PARTIALLY_FILLED", "FILLED"}

    def test_filter_failure(self, peer: Peer) -> None:
        with pytest.raises(Refused) as refused:
            peer.place("BUY", 1.0)
        assert refused.value.code in {-1013, -4164}

    def test_wrong_signature(self, venue: Served) -> None:
        stranger = self.peer_class(venue, secret="not-the-secret")
        with pytest.raises(Refused) as refused:
            stranger.quote_balance()
        stranger.close()
        assert refused.value.code == -1022

    def test_wrong_time(self) -> None:
        with served(self.peer_class.dialect) as ahead:
            peer = self.peer_class(ahead, secret=self.secret)
            peer.symbols()
            ahead.tell("clock", {"offsetMs": AHEAD_MS})
            with pytest.raises(Refused) as refused:
                peer.quote_balance()
            peer.close()
        assert refused.value.code == -1021

    def test_rate_limit(self) -> None:
        with served(self.peer_class.dialect, binance_limits=FEW) as scarce:
            peer = self.peer_class(scarce, secret=self.secret)
            with pytest.raises(Refused) as refused:
                _call_often(peer)
            peer.close()
        assert refused.value.code == -1003


def _call_often(peer: Peer) -> None:
    for _ in range(CALLS_MAX):
        peer.quote_balance()


def _below(peer: Peer, factor: float = 0.95) -> float:
    return round(peer.venue.price() * factor, 1)
