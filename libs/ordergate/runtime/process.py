"""The main function of every service process."""

import io
import resource
import sys

import uvloop

from ordergate.runtime.service import Compose, Service
from ordergate.runtime.settings import Environment


def run_process(name: str, compose: Compose) -> int:
    """Run the service until it ends; the exit code."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the keys
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a log line that waits in a buffer dies with the process
    return uvloop.run(Service(name, compose, environment=Environment()).run())
