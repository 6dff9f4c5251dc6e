"""The main function of every service process."""

import io
import resource
import sys

import structlog
import uvloop

from ordergate.runtime.exits import EXIT_MISCONFIGURED
from ordergate.runtime.logs import configure_logs
from ordergate.runtime.service import Compose, Service
from ordergate.runtime.settings import Environment
from ordergate.trading.errors import Misconfigured


def run_process(name: str, compose: Compose) -> int:
    """Run the service until it ends; the exit code."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the keys
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a log line that waits in a buffer dies with the process
    return uvloop.run(Service(name, compose, environment=read_environment(name)).run())


def read_environment(name: str) -> Environment:
    """What the process was given; where that is wrong it ends here, with one line."""
    try:
        return Environment.read()
    except Misconfigured as error:
        configure_logs(service=name, instance="")
        log = structlog.get_logger(name)
        log.error("refused to start", reason=str(error), kind=type(error).__name__)  # noqa: TRY400 - the reason is whole
        sys.exit(EXIT_MISCONFIGURED)
