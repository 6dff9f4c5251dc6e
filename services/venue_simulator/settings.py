"""Where the simulator listens and what it is made of."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ordergate.simulator.config import DialectName, SimulatorConfig


class Settings(BaseSettings):
    """Read from ORDERGATE_SIMULATOR_*: the path of the JSON document, the port (0 = pick one), the address to listen on, and a dialect that goes before
    the document's.
    """

    model_config = SettingsConfigDict(env_prefix="ORDERGATE_SIMULATOR_", frozen=True)

    config: Path
    port: int = Field(default=8700, ge=0, le=65_535)
    host: str = "127.0.0.1"
    dialect: DialectName | None = None

    def read_config(self) -> SimulatorConfig:
        """The document. Raises OSError and ValueError."""
        document = self.config.read_bytes()
        if self.dialect is None:
            return SimulatorConfig.model_validate_json(document)
        fields = json.loads(document)
        return SimulatorConfig.model_validate(
            {**fields, "dialect": self.dialect} if isinstance(fields, dict) else fields
        )
