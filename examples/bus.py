"""Where the examples find the bus, and who they are to it: ORDERGATE_NATS_URL, and ORDERGATE_NATS_SEED_FILE where it asks for an identity."""

import os
from typing import Any


def bus_url() -> str:
    return os.environ.get("ORDERGATE_NATS_URL", "nats://127.0.0.1:4222")


def bus_options(name: str) -> dict[str, Any]:
    """For `connect`: the identity in the seed file and the inbox prefix that belongs to it; nothing on a bus that asks for neither."""
    seed = os.environ.get("ORDERGATE_NATS_SEED_FILE")
    return {} if seed is None else {"nkeys_seed": seed, "inbox_prefix": f"_INBOX_{name}"}
