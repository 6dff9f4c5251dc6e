"""`python -m services.fill_streaming`."""

import sys

from ordergate.runtime.process import run_process
from ordergate.wire.streams import FILL_STREAMING
from services.fill_streaming.app import compose

if __name__ == "__main__":
    sys.exit(run_process(FILL_STREAMING, compose))
