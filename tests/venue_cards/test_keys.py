"""Cards 30 and 30b: every kind of key that a venue takes signs what the venue accepts, and another of the same kind does not."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ordergate.access.keys import make_key
from ordergate.access.session import RequestRecord
from ordergate.ports.venue import Executed, NotExecuted, Outcome
from ordergate.trading.ids import AccountName
from tests.venue_cards.desk import Desk, open_exchange, opening_of
from tests.venue_cards.kits import Kit

PUBLIC = "a-key-that-is-not-hmac-0123456789"
Private = RSAPrivateKey | Ed25519PrivateKey


def rsa() -> Private:
    return generate_private_key(public_exponent=65_537, key_size=2_048)


KINDS: dict[str, Callable[[], Private]] = {"rsa": rsa, "ed25519": Ed25519PrivateKey.generate}


@asynccontextmanager
async def placing(kit: Kit, registered: Private, signing: Private) -> AsyncIterator[Outcome]:
    """An order, signed with one key at an exchange that knows a key of that name."""
    public = registered.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    name = AccountName("main")
    account = {"account": name, "keys": [{"key": PUBLIC, "publicKey": public, "permissions": ["TRADE"]}]}
    secret = signing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    records: list[RequestRecord] = []
    async with open_exchange(kit, accounts=[account]) as exchange:
        opening = replace(opening_of(kit, exchange.url, None, records), key=make_key(public=PUBLIC, secret=secret))
        trading, reading, market = kit.venue.trading(opening), kit.venue.reading(opening), kit.venue.market(opening)
        desk = Desk(name, kit, exchange.url, trading, reading, market, records)
        await trading.start()
        try:
            yield await desk.place("c30")
        finally:
            await desk.close()


@pytest.mark.venues("binance-spot", "binance-futures")
@pytest.mark.parametrize("kind", KINDS)
async def test_card_30_a_key_of_every_kind_signs_what_the_venue_accepts(kit: Kit, kind: str) -> None:
    private = KINDS[kind]()
    async with placing(kit, private, private) as outcome:
        assert isinstance(outcome, Executed), outcome


@pytest.mark.venues("binance-spot", "binance-futures")
@pytest.mark.parametrize("kind", KINDS)
async def test_card_30b_another_key_of_the_same_kind_is_refused_as_a_credential(kit: Kit, kind: str) -> None:
    async with placing(kit, KINDS[kind](), KINDS[kind]()) as outcome:
        assert isinstance(outcome, NotExecuted), outcome
        assert (outcome.reason.lower(), outcome.credentials) == ("invalid_signature", True)
