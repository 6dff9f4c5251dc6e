"""The named crash points: where a service of a development home can be told to die, and which row of the crash table that tries.

A step is one append, send, acknowledgement or write of a service. Its point `before` dies with nothing done, `during` with the bytes on
the socket and no answer read, `after` with the answer in hand and nothing made of it yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ordergate.wire.streams import FILL_STREAMING, ORDER_SUBMISSION, POSITION_TRACKING, RISK, STATUS_POLLING


class Phase(StrEnum):
    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashPoint:
    """`name` is `<service>.<step>.<phase>`; `row` is what it tries of the crash table."""

    name: str
    service: str
    row: str


_ALL = tuple(Phase)
_BOTH = (Phase.BEFORE, Phase.AFTER)
_APPROVED = "risk after approving, before its ack: redelivery, the guard refuses, same request hash: ack"
_UNSENT = "submission before `submitting`: redelivery to any replica"
_SENT = "submission between `submitting` and the answer: lookup, then the fence"
_EVIDENCE = "evidence that dies with its reader: whoever reads it next appends it"
_ANSWER = "an answer not given or given twice: redelivery, one message id"
_DEAD = "a message cannot be read: DEAD holds it once, answered, then terminated"
_CANCEL = "a cancel asked, sent or answered: redelivery, the order says where it stands"
_CURSOR = "fill stream between store and cursor: reads again from the old cursor, each is already there"
_MARK = "a start reads on from the older checkpoint"
_POSITION = "position tracker anywhere: replay from the last folded stream sequence"

# fmt: off
_STEPS: Mapping[str, Sequence[tuple[str, Sequence[Phase], str]]] = {
    RISK: (
        ("append.approved",             _ALL,  _APPROVED),
        ("append.refused",              _BOTH, _APPROVED),
        ("ack.intents",                 _BOTH, _APPROVED),
        ("answer",                      _BOTH, _ANSWER),
        ("bury",                        _BOTH, _DEAD),
        ("checkpoint",                  _BOTH, _MARK),
    ),
    ORDER_SUBMISSION: (
        ("append.submitting",           _ALL,  _UNSENT),
        ("send.place",                  _ALL,  _SENT),
        ("append.accepted",             _BOTH, _SENT),
        ("append.filled",               _BOTH, _SENT),
        ("append.rejected",             _BOTH, _SENT),
        ("append.unknown",              _BOTH, "answer lost, 5xx, reset: submitting, then unknown"),
        ("ack.orders",                  _BOTH, _SENT),
        ("append.cancel_requested",     _BOTH, _CANCEL),
        ("send.cancel",                 _BOTH, _CANCEL),
        ("append.canceled",             _BOTH, _CANCEL),
        ("answer",                      _BOTH, _CANCEL),
        ("ack.intents",                 _BOTH, _CANCEL),
    ),
    STATUS_POLLING: (
        ("append.accepted",             _BOTH, _EVIDENCE),
        ("append.partially_filled",     _BOTH, _EVIDENCE),
        ("append.filled",               _BOTH, _EVIDENCE),
        ("append.canceled",             _BOTH, _EVIDENCE),
        ("append.unknown",              _BOTH, _EVIDENCE),
        ("append.not_placed",           _BOTH, "the fence: proof of absence is asked for again"),
        ("checkpoint",                  _BOTH, _MARK),
    ),
    FILL_STREAMING: (
        ("store",                       _ALL,  _CURSOR),
        ("cursor",                      _BOTH, _CURSOR),
        ("checkpoint",                  _BOTH, _MARK),
        ("answer",                      _BOTH, "sums of the fills: stated again, one message id"),
    ),
    POSITION_TRACKING: (
        ("store",                       _ALL,  _POSITION),
        ("checkpoint",                  _BOTH, _POSITION),
    ),
}
# fmt: on


def crash_points() -> tuple[CrashPoint, ...]:
    """Every point there is, in the order of the table."""
    return tuple(
        CrashPoint(name=f"{service}.{step}.{phase}", service=service, row=row)
        for service, steps in _STEPS.items()
        for step, phases, row in steps
        for phase in phases
    )
