"""`python -m services.risk`."""

import sys

from ordergate.runtime.process import run_process
from ordergate.wire.streams import RISK
from services.risk.app import compose

if __name__ == "__main__":
    sys.exit(run_process(RISK, compose))
