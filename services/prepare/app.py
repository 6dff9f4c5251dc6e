"""The files of a simulated installation, each in the folder of the one who reads it.

installation/  ordergate.toml, authority.pem: for everybody
simulator/     its document with all keys, its certificate
bus/           the certificate of the bus
secrets/NAME/  what only that service may read
"""

from datetime import datetime
from pathlib import Path
from typing import get_args

from ordergate.runtime.settings import Signer
from services.development import Development, write_development
from services.prepare.certificates import Server, write_certificates
from services.prepare.settings import Settings


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
    (installation / "ordergate.toml").write_text(written.installation.read_text())


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
