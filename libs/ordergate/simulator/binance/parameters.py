"""Whether a call was sent what it reads: everything that must be there, nothing empty, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordergate.simulator.binance.failures import empty, missing, too_many, unread
from ordergate.simulator.binance.operations import Security

if TYPE_CHECKING:
    from ordergate.simulator.binance.operations import Failure, Operation, Parameters


def refuse_parameters(operation: Operation[Any], parameters: Parameters, *, strict: bool) -> Failure | None:
    """None: it was. strict: what an operation does not read is refused, as on Spot; futures leave it alone."""
    for name in operation.required:
        if not parameters.get(name):
            return missing(name)
    blank = next((name for name, value in parameters.items() if not value), None)
    if blank is not None:
        return empty(blank)
    if operation.optional is None or not strict:
        return None
    known = len(parameters.keys() & {*operation.required, *operation.optional})
    if known == len(parameters):
        return None
    public = operation.security is Security.NONE
    return too_many(known, len(parameters)) if public else unread(known, len(parameters))
