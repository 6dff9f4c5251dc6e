"""Where the examples find the bus, and who they are to it: ORDERGATE_NATS_URL, and ORDERGATE_NATS_SEED_FILE where it asks for an identity."""

import os
from pathlib import Path
from typing import Any


def bus_url() -> str:
    return os.environ.get("ORDERGATE_NATS_URL", "nats://127.0.0.1:4222")


def bus_options() -> dict[str, Any]:
    """For `connect`: the identity, nothing where the bus asks for none."""
    seed = os.environ.get("ORDERGATE_NATS_SEED_FILE")
    return {"nkey_seed_file": Path(seed)} if seed else {}
