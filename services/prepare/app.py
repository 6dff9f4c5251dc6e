"""The files of a simulated installation, each in the folder of the one who reads it.

installation/  ordergate.toml, authority.pem: for everybody
simulator/     its document with all keys, its certificate
bus/           its certificate, and who may say what there
secrets/NAME/  what only that program may read: its keys at the venue, bus.nk
identities/    the register of who there is on the bus
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import get_args

from ordergate.runtime.identities import Identities
from ordergate.runtime.settings import Installation, Signer
from ordergate.trading.ids import StrategyName
from ordergate.wire.identities import SINGLE, Identity, Kind, Place
from services.development import Development, write_development
from services.prepare.certificates import Server, write_certificates
from services.prepare.settings import Settings

STRATEGY = "strategy"
CONSUMER = "fills"
OPERATOR = "operator"


def prepare(settings: Settings, *, now: datetime) -> None:
    """Write what is missing; keys that are there stay as they are. Raises OSError."""
    home = settings.home
    installation = home / "installation"
    installation.mkdir(parents=True, exist_ok=True)
    servers = [
        Server(folder=home / "simulator", hosts=settings.simulator_hosts),
        Server(folder=home / "bus", hosts=settings.bus_hosts),
    ]
    write_certificates(installation / "authority.pem", servers, now=now)
    written = write_development(home / "simulator", _development(settings, home), simulator_port=0)
    text = written.installation.read_text()
    (installation / "ordergate.toml").write_text(text)
    _write_identities(settings, Installation.of(text).places)


def _development(settings: Settings, home: Path) -> Development:
    return Development(
        venue=settings.venue,
        accounts=settings.accounts,
        symbols=settings.symbols,
        risk={"max_order_notional": 200_000, "max_open_orders": 100, "self_trade": False},
        simulator={"seed": 7},
        url=settings.simulator_url,
        key_folders={signer: home / "secrets" / signer for signer in get_args(Signer)},
    )


def _write_identities(settings: Settings, served: tuple[Place, ...]) -> None:
    """Everybody's seed to himself; to the bus only what is public."""
    identities = Identities(settings.home / "identities")
    there = {identity.name for identity, _ in identities.bearers()}
    for identity in _identities(settings, served):
        if identity.name not in there:
            identities.add(identity, served=served)
        _hand_over(identities.seed_file(identity.name), settings.home / "secrets" / identity.name / "bus.nk")
    identities.write(served=served)
    (settings.home / "bus/authorization.conf").write_text(identities.authorization.read_text())


def _identities(settings: Settings, served: tuple[Place, ...]) -> Iterator[Identity]:
    yield from (Identity(name=kind, kind=kind) for kind in SINGLE)
    yield Identity(name=OPERATOR, kind=Kind.OPERATOR)
    yield Identity(name=CONSUMER, kind=Kind.CONSUMER, accounts=served)
    strategy = StrategyName(settings.strategy)
    yield Identity(name=STRATEGY, kind=Kind.STRATEGY, accounts=served, strategy=strategy)


def _hand_over(seed: Path, target: Path) -> None:
    if target.exists() and target.read_bytes() == seed.read_bytes():
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    target.write_bytes(seed.read_bytes())
    target.chmod(0o400)
