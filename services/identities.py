"""Identities for one machine: the services' and one operator's, in a folder of the home; those that are there are kept."""

from pathlib import Path

from ordergate.runtime.identities import Identities
from ordergate.runtime.settings import Installation
from ordergate.trading.errors import Misconfigured
from ordergate.wire.identities import Identity, Kind

OPERATOR = "operator"


def write_identities(home: Path, installation: Path) -> Identities:
    """Raises Misconfigured."""
    try:
        served = Installation.of(installation.read_text()).places
    except OSError as error:
        raise Misconfigured(f"{installation} cannot be read: {error}") from error
    identities = Identities(home / "identities")
    identities.add_services(served=served)
    if not identities.seed_file(OPERATOR).exists():
        identities.add(Identity(name=OPERATOR, kind=Kind.OPERATOR), served=served)
    identities.write(served=served)
    return identities
