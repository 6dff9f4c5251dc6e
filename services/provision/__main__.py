"""`python -m services.provision`."""

import sys

import uvloop

from ordergate.runtime.process import read_environment
from services.provision.app import NAME, run

if __name__ == "__main__":
    sys.exit(uvloop.run(run(read_environment(NAME))))
