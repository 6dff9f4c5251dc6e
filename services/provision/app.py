"""The composition root of provisioning."""

import structlog

from ordergate.runtime.connection import connect
from ordergate.runtime.declared import declared
from ordergate.runtime.exits import EXIT_FAILED, EXIT_MISCONFIGURED, EXIT_STOPPED
from ordergate.runtime.logs import configure_logs
from ordergate.runtime.provision import provision
from ordergate.runtime.settings import Environment
from ordergate.trading.errors import BusUnavailable, Misconfigured

NAME = "provision"


async def run(environment: Environment) -> int:
    """Create what is absent, renew what an earlier version declared.

    Exit code 0: all is as declared now; 1: the bus did not answer; 2: something differs, nothing was changed.
    """
    configure_logs(service=NAME, instance=environment.instance)
    log = structlog.get_logger(NAME)
    try:
        installation = environment.installation()
        bus = await connect(environment.nats_url, service=NAME, access=environment.access)
        try:
            created = await provision(bus.jetstream, declared(installation))
        finally:
            await bus.close()
    except Misconfigured as error:
        log.error("refused", reason=str(error))  # noqa: TRY400 - the reason is whole
        return EXIT_MISCONFIGURED
    except BusUnavailable as error:
        log.error("the bus is away", reason=str(error))  # noqa: TRY400 - the reason is whole
        return EXIT_FAILED
    log.info("provisioned", created=created)
    return EXIT_STOPPED
