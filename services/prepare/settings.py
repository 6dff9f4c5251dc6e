"""Where the files go and by which names the containers call each other."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from ORDERGATE_PREPARE_*. home: the folder whose parts are the volumes; strategy: the one
    that gets an identity on the bus; hosts: the names in the certificates.
    """

    model_config = SettingsConfigDict(env_prefix="ORDERGATE_PREPARE_", frozen=True)

    home: Path = Path("/var/lib/ordergate")
    venue: str = "zetarium"
    accounts: tuple[str, ...] = Field(default=("main",), min_length=1)
    symbols: tuple[str, ...] = Field(default=("BTCUSDT", "ETHUSDT", "SOLUSDT"), min_length=1)
    strategy: str = "example"
    simulator_url: str = "https://simulator:8700"
    simulator_hosts: tuple[str, ...] = ("simulator", "localhost")
    bus_hosts: tuple[str, ...] = ("nats", "localhost")
