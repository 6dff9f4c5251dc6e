"""Where the simulator listens and what it is made of."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ordergate.simulator.config import DialectName, SimulatorConfig


class Settings(BaseSettings):
    """Read from ORDERGATE_SIMULATOR_*: the path of the JSON document, the port (0 = pick one), the address to listen on, a dialect that goes before
    the document's, and a certificate with its key (PEM files): with them it speaks https and wss, as clients on other machines demand.
    """

    model_config = SettingsConfigDict(env_prefix="ORDERGATE_SIMULATOR_", frozen=True)

    config: Path
    port: int = Field(default=8700, ge=0, le=65_535)
    host: str = "127.0.0.1"
    dialect: DialectName | None = None
    certificate: Path | None = None
    certificate_key: Path | None = None

    def tls(self) -> ssl.SSLContext | None:
        """None without a certificate. Raises OSError for files that are no pair."""
        if self.certificate is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.certificate_key)
        return context

    def read_config(self) -> SimulatorConfig:
        """The document. Raises OSError and ValueError."""
        document = self.config.read_bytes()
        if self.dialect is None:
            return SimulatorConfig.model_validate_json(document)
        fields = json.loads(document)
        return SimulatorConfig.model_validate(
            {**fields, "dialect": self.dialect} if isinstance(fields, dict) else fields
        )
