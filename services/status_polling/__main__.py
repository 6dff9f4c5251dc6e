"""`python -m services.status_polling`."""

import sys

from ordergate.runtime.process import run_process
from ordergate.wire.streams import STATUS_POLLING
from services.status_polling.app import compose

if __name__ == "__main__":
    sys.exit(run_process(STATUS_POLLING, compose))
