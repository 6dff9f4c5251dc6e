"""Where the simulator listens and what it is made of."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ordergate.simulator.config import SimulatorConfig


class Settings(BaseSettings):
    """Read from ORDERGATE_SIMULATOR_*: the path of the JSON document, the port (0 = pick one), the address to listen on."""

    model_config = SettingsConfigDict(env_prefix="ORDERGATE_SIMULATOR_", frozen=True)

    config: Path
    port: int = Field(default=8700, ge=0, le=65_535)
    host: str = "127.0.0.1"

    def read_config(self) -> SimulatorConfig:
        """The document. Raises OSError and pydantic.ValidationError."""
        return SimulatorConfig.model_validate_json(self.config.read_bytes())
