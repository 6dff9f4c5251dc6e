"""Names and ids, each a type of its own. Ids that may be made again are pure functions of their inputs, so duplicates collapse."""

import base64
import hashlib
import re
from typing import NewType

from ordergate.trading.errors import InvalidToken

VenueName = NewType("VenueName", str)
AccountName = NewType("AccountName", str)
StrategyName = NewType("StrategyName", str)
Symbol = NewType("Symbol", str)
IntentId = NewType("IntentId", str)
ClientOrderId = NewType("ClientOrderId", str)
VenueOrderId = NewType("VenueOrderId", str)
TradeId = NewType("TradeId", str)
ErrorId = NewType("ErrorId", str)
KeyId = NewType("KeyId", str)

_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")


def client_order_id(text: str) -> ClientOrderId:
    """Check a clientOrderId. Raises InvalidToken unless it is `[A-Za-z0-9_-]{1,36}`, which every venue of ours takes."""
    if not _CLIENT_ORDER_ID.fullmatch(text):
        raise InvalidToken(f"clientOrderId must match [A-Za-z0-9_-]{{1,36}}, got {text[:80]!r}")
    return ClientOrderId(text)


def derive_client_order_id(account: AccountName, strategy: StrategyName, intent_id: IntentId) -> ClientOrderId:
    """The clientOrderId of an intent that names none: the same intent always gives the same id."""
    return ClientOrderId("og-" + _digest("clientOrderId", account, strategy, intent_id))


def derive_leg_id(account: AccountName, strategy: StrategyName, intent_id: IntentId, leg: int) -> ClientOrderId:
    """The clientOrderId of a later leg (from 2) of a list that names none, and of the list itself (leg 0)."""
    return ClientOrderId("og-" + _digest("leg", account, strategy, intent_id, str(leg)))


def derive_error_id(*origin: str) -> ErrorId:
    """Our own errorId for a failure, from what identifies that failure; a redelivered message gives the same one."""
    return ErrorId("oge-" + _digest("errorId", *origin))


def trace_id(order: ClientOrderId) -> int:
    """The trace of an order: the first 16 bytes of SHA-256(clientOrderId), so that spans meet without any header."""
    return int.from_bytes(hashlib.sha256(order.encode()).digest()[:16], "big")


def _digest(*parts: str) -> str:
    # Length-prefixed, so that ("ab", "c") and ("a", "bc") differ.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return base64.b32encode(hashlib.sha256(text.encode()).digest()[:16]).decode().rstrip("=").lower()
