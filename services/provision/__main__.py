"""`python -m services.provision`."""

import sys

import uvloop

from ordergate.runtime.settings import Environment
from services.provision.app import run

if __name__ == "__main__":
    sys.exit(uvloop.run(run(Environment())))
