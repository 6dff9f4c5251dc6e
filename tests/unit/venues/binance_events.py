"""Events of both exchanges as their documentation prints them, with our terms in."""

from typing import Any


def execution_report(**changed: object) -> dict[str, Any]:
    """A trade of a limit order of Spot, half filled."""
    event: dict[str, Any] = {
        "e": "executionReport",
        "E": 1499405658658,
        "s": "ETHBTC",
        "c": "alpha-1",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "1.00000000",
        "p": "0.10264410",
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": "",
        "x": "TRADE",
        "X": "PARTIALLY_FILLED",
        "r": "NONE",
        "i": 4293153,
        "l": "0.50000000",
        "z": "0.50000000",
        "L": "0.10264410",
        "n": "0.00010000",
        "N": "BNB",
        "T": 1499405658657,
        "t": 77,
        "I": 8641984,
        "w": True,
        "m": False,
        "M": True,
        "O": 1499405658600,
        "Z": "0.05132205",
        "Y": "0.05132205",
        "Q": "0.00000000",
        "W": 1499405658600,
        "V": "NONE",
    }
    return event | changed


def order_update(**changed: object) -> dict[str, Any]:
    """A trade of a limit order of USD-M futures, half filled."""
    order: dict[str, Any] = {
        "s": "BTCUSDT",
        "c": "alpha-1",
        "S": "SELL",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.010",
        "p": "64000.0",
        "ap": "64000.0",
        "sp": "0",
        "x": "TRADE",
        "X": "PARTIALLY_FILLED",
        "i": 8886774,
        "l": "0.005",
        "z": "0.005",
        "L": "64000.0",
        "N": "USDT",
        "n": "0.064",
        "T": 1568879465650,
        "t": 91,
        "b": "0",
        "a": "9.91",
        "m": True,
        "R": False,
        "wt": "CONTRACT_PRICE",
        "ot": "LIMIT",
        "ps": "LONG",
        "cp": False,
        "rp": "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "EXPIRE_TAKER",
        "pm": "OPPONENT",
        "gtd": 0,
    }
    return {
        "e": "ORDER_TRADE_UPDATE",
        "E": 1568879465651,
        "T": 1568879465650,
        "o": order | changed,
    }


def algo_update(**changed: object) -> dict[str, Any]:
    order: dict[str, Any] = {
        "caid": "alpha-2",
        "aid": 2148719,
        "at": "CONDITIONAL",
        "o": "TAKE_PROFIT",
        "s": "BTCUSDT",
        "S": "SELL",
        "ps": "BOTH",
        "f": "GTC",
        "q": "0.01",
        "X": "NEW",
        "ai": "",
        "ap": "0.00000",
        "aq": "0.00000",
        "act": "0",
        "tp": "65000",
        "p": "64900",
        "V": "EXPIRE_MAKER",
        "wt": "CONTRACT_PRICE",
        "pm": "NONE",
        "cp": False,
        "pP": False,
        "R": False,
        "tt": 0,
        "gtd": 0,
        "rm": "",
    }
    return {"e": "ALGO_UPDATE", "T": 1750515742297, "E": 1750515742303, "o": order | changed}
