"""What a strategy or a fill consumer imports.

    async with connect("nats://127.0.0.1:4222", venue="zetarium", account="main", strategy="alpha") as gateway:
        ticket = await gateway.submit(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=Decimal("0.01"))
        print(await gateway.wait(ticket))

Law of this room: it needs only pydantic and nats-py, and sees only the wire's names and the core's nouns. It knows no venue, no service and
no key.
"""

from ordergate.client.fills import Fills, FillsVerdict, FillUpdate
from ordergate.client.gateway import Gateway, OrderUpdate, PositionUpdate, Ticket, connect
from ordergate.client.intents import LegTerms, PlacedTerms
from ordergate.client.replay import Replay

__all__ = [
    "FillUpdate",
    "Fills",
    "FillsVerdict",
    "Gateway",
    "LegTerms",
    "OrderUpdate",
    "PlacedTerms",
    "PositionUpdate",
    "Replay",
    "Ticket",
    "connect",
]
