"""`python -m services.position_tracking`."""

import sys

from ordergate.runtime.process import run_process
from ordergate.wire.streams import POSITION_TRACKING
from services.position_tracking.app import compose

if __name__ == "__main__":
    sys.exit(run_process(POSITION_TRACKING, compose))
