"""`python -m services.order_submission`."""

import sys

from ordergate.runtime.process import run_process
from ordergate.wire.streams import ORDER_SUBMISSION
from services.order_submission.app import compose

if __name__ == "__main__":
    sys.exit(run_process(ORDER_SUBMISSION, compose))
