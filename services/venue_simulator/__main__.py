"""`python -m services.venue_simulator`."""

from __future__ import annotations

import uvloop

from services.venue_simulator.app import serve
from services.venue_simulator.settings import Settings

if __name__ == "__main__":
    uvloop.run(serve(Settings()))
