"""What an installation needs on the bus: the declarations of wire.streams, for its accounts."""

from collections.abc import Iterable

from ordergate.runtime.provision import Resource, resources
from ordergate.runtime.settings import Installation
from ordergate.wire import streams
from ordergate.wire.streams import ConsumerSpec


def declared(installation: Installation) -> tuple[Resource, ...]:
    """Every resource that the installation needs on the bus."""
    replicas = installation.bus.replicas
    return resources(
        streams=streams.streams(replicas=replicas, audit_bytes_max=installation.bus.audit_bytes_max),
        buckets=streams.buckets(replicas=replicas),
        consumers=(*_consumers(installation), streams.strangers_consumer(replicas=replicas)),
        earlier=[
            spec
            for account in installation.accounts
            for spec in streams.earlier_consumers(account.venue_name, account.account_name, replicas=replicas)
        ],
    )


def _consumers(installation: Installation) -> Iterable[ConsumerSpec]:
    for account in installation.accounts:
        yield from streams.consumers(account.venue_name, account.account_name, replicas=installation.bus.replicas)
