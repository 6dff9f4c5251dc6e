"""What an answer of Binance USD-M futures proves about the request it answers, as a table.

The code decides, then the phase of the call (its purpose), and for a 503 the message, which the venue documents word by word. Everything that is not named
here is `Unknown`: other 5xx, 408, redirects, a page of a wall before the exchange (403), a 2xx that cannot be read, a code that is new.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum

from ordergate.access.response import Response
from ordergate.access.retry_after import RETRY_AFTER_MS_MAX, RETRY_AFTER_MS_MIN
from ordergate.access.session import Call, Verdict, decode_answer
from ordergate.ports.venue import NotExecuted, Throttled, Unknown
from ordergate.trading.ids import ErrorId
from ordergate.venues.binance.errors import ErrorTable, Failure, Proof, Rule, failure_of


class Purpose(StrEnum):
    READ = "read"
    PLACE = "place"
    BATCH = "batch"
    MODIFY = "modify"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"
    COUNTDOWN = "countdown"
    SETTING = "setting"  # position mode, leverage, margin type
    LISTEN = "listen"


ENDS = frozenset({Purpose.CANCEL, Purpose.CANCEL_ALL, Purpose.MODIFY})
SETTING, LISTEN, MODIFY = frozenset({Purpose.SETTING}), frozenset({Purpose.LISTEN}), frozenset({Purpose.MODIFY})


@dataclass(frozen=True, slots=True)
class Row:
    """Some codes that prove the same of calls for these purposes (None: of all). text: how the message begins, where one code says several things."""

    codes: tuple[int, ...]
    purposes: frozenset[Purpose] | None
    proof: Proof
    reason: str
    text: str = ""


# The first row that fits decides. Reasons: a filter's name where one refused, so that all venues name it alike; else what the venue calls the code.
# fmt: off
TABLE = (
    Row((-1000,),                None,                   Proof.NONE,         "UNKNOWN"),
    Row((-1001,),                None,                   Proof.NONE,         "DISCONNECTED"),  # but see NOT_EXECUTED_503
    Row((-1006,),                None,                   Proof.NONE,         "UNEXPECTED_RESP"),
    Row((-1007,),                None,                   Proof.NONE,         "TIMEOUT"),
    Row((-1002, -1011, -1099),   None,                   Proof.CREDENTIALS,  "UNAUTHORIZED"),
    Row((-1022,),                None,                   Proof.CREDENTIALS,  "INVALID_SIGNATURE"),
    Row((-2014,),                None,                   Proof.CREDENTIALS,  "BAD_API_KEY_FMT"),
    Row((-2015,),                None,                   Proof.CREDENTIALS,  "REJECTED_MBX_KEY"),
    Row((-2017,),                None,                   Proof.CREDENTIALS,  "API_KEYS_LOCKED"),
    Row((-4056, -4057),          None,                   Proof.CREDENTIALS,  "INVALID_API_KEY_TYPE"),
    Row((-1003,),                None,                   Proof.THROTTLED,    "TOO_MANY_REQUESTS"),
    Row((-1015,),                None,                   Proof.THROTTLED,    "TOO_MANY_ORDERS"),
    Row((-1034,),                None,                   Proof.THROTTLED,    "TOO_MANY_CONNECTIONS"),
    Row((-1008,),                None,                   Proof.THROTTLED,    "SERVER_BUSY"),
    Row((-1021,),                None,                   Proof.CLOCK,        "INVALID_TIMESTAMP"),
    Row((-5028,),                None,                   Proof.CLOCK,        "ME_RECVWINDOW_REJECT"),
    Row((-2011,),                ENDS,                   Proof.NOT_FOUND,    "CANCEL_REJECTED"),
    Row((-2013,),                ENDS | {Purpose.READ},  Proof.NOT_FOUND,    "NO_SUCH_ORDER"),
    Row((-2011, -2012, -2013),   None,                   Proof.NONE,         "CANCEL_REJECTED"),
    Row((-1125,),                LISTEN,                 Proof.NOT_FOUND,    "INVALID_LISTEN_KEY"),
    Row((-4046,),                SETTING,                Proof.NOT_EXECUTED, "NO_NEED_TO_CHANGE_MARGIN_TYPE"),
    Row((-4059,),                SETTING,                Proof.NOT_EXECUTED, "NO_NEED_TO_CHANGE_POSITION_SIDE"),
    Row((-5027,),                MODIFY,                 Proof.NOT_EXECUTED, "SAME_ORDER"),
    Row((-4115,),                None,                   Proof.NONE,         "DUPLICATED_CLIENT_TRAN_ID"),
    Row((-4116,),                None,                   Proof.NONE,         "DUPLICATED_CLIENT_ORDER_ID"),  # perhaps our own, before
    Row((-4117,),                None,                   Proof.NONE,         "STOP_ORDER_TRIGGERING"),
    Row((-5043,),                None,                   Proof.NONE,         "PENDING_MODIFICATION"),
    Row((-2018,),                None,                   Proof.NOT_EXECUTED, "BALANCE_NOT_SUFFICIENT"),
    Row((-2019, -4050, -4051),   None,                   Proof.NOT_EXECUTED, "MARGIN_NOT_SUFFICIENT"),
    Row((-2020,),                None,                   Proof.NOT_EXECUTED, "UNABLE_TO_FILL"),
    Row((-2021, -4142),          None,                   Proof.NOT_EXECUTED, "WOULD_TRIGGER_IMMEDIATELY"),
    Row((-2022, -4118),          None,                   Proof.NOT_EXECUTED, "REDUCE_ONLY_REJECTED"),
    Row((-2023,),                None,                   Proof.NOT_EXECUTED, "USER_IN_LIQUIDATION"),
    Row((-2024,),                None,                   Proof.NOT_EXECUTED, "POSITION_NOT_SUFFICIENT"),
    Row((-2025,),                None,                   Proof.NOT_EXECUTED, "MAX_NUM_ORDERS"),
    Row((-4045,),                None,                   Proof.NOT_EXECUTED, "MAX_NUM_ALGO_ORDERS"),
    Row((-2026, -4020, -4062),   None,                   Proof.NOT_EXECUTED, "REDUCE_ONLY_CONFLICT"),
    Row((-2027, -2028),          None,                   Proof.NOT_EXECUTED, "MAX_LEVERAGE_RATIO"),
    Row((-4001, -4002, -4006, -4007, -4013, -4014, -4029), None,                   Proof.NOT_EXECUTED, "PRICE_FILTER"),
    Row((-4016, -4024, -4131, -4183, -4184, -4210, -4211), None,                   Proof.NOT_EXECUTED, "PERCENT_PRICE"),
    Row((-4003, -4004, -4005, -4023, -4030), None,                   Proof.NOT_EXECUTED, "LOT_SIZE"),
    Row((-4164, -5029),          None,                   Proof.NOT_EXECUTED, "MIN_NOTIONAL"),
    Row((-1111,),                None,                   Proof.NOT_EXECUTED, "BAD_PRECISION"),
    Row((-1121, -1122, -4144),   None,                   Proof.NOT_EXECUTED, "BAD_SYMBOL"),
    Row((-4022, -4140, -4141, -5024), None,                   Proof.NOT_EXECUTED, "SYMBOL_STATUS"),
    Row((-4015, -4114),          None,                   Proof.NOT_EXECUTED, "INVALID_CL_ORD_ID_LEN"),
    Row((-4060, -4061),          None,                   Proof.NOT_EXECUTED, "POSITION_SIDE_NOT_MATCH"),
    Row((-4067, -4068),          None,                   Proof.NOT_EXECUTED, "POSITION_SIDE_CHANGE_REFUSED"),
    Row((-4047, -4048),          None,                   Proof.NOT_EXECUTED, "MARGIN_TYPE_CHANGE_REFUSED"),
    Row((-4087, -4400, -4401),   None,                   Proof.NOT_EXECUTED, "REDUCE_ONLY_PERMITTED"),
    Row((-4088, -4109, -4192, -4402, -2016), None,                   Proof.NOT_EXECUTED, "TRADING_NOT_PERMITTED"),
    Row((-4028, -4161, -4202, -4203, -4205, -4206, -4208, -4209, -4403), None,                   Proof.NOT_EXECUTED, "LEVERAGE_REFUSED"),
    Row((-4120,),                None,                   Proof.NOT_EXECUTED, "STOP_ORDER_SWITCH_ALGO"),
    Row((-4135, -4137, -4138, -4139), None,                   Proof.NOT_EXECUTED, "CLOSE_POSITION_CONFLICT"),
    Row((-4531,),                None,                   Proof.NOT_EXECUTED, "DUAL_SIDE_POSITION_REJECTED"),
    Row((-5021,),                None,                   Proof.NOT_EXECUTED, "FOK_ORDER_REJECT"),
    Row((-5022,),                None,                   Proof.NOT_EXECUTED, "GTX_ORDER_REJECT"),
    Row((-5025, -5026, -5027),   None,                   Proof.NOT_EXECUTED, "MODIFICATION_REFUSED"),
    Row((-5037, -5038, -5039, -5041), None,                   Proof.NOT_EXECUTED, "UNSUPPORTED_TERMS"),
    Row((-5040,),                None,                   Proof.NOT_EXECUTED, "GOOD_TILL_DATE"),
    Row((-4032, -4082, -4083),   None,                   Proof.NOT_EXECUTED, "BATCH_REFUSED"),
    Row((-4000, -4031, -4084, -4104, -4165, -1004, -1005, -1010, -1013, -1014, -1016, -1020, -1023,
         -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1109, -1110, -1112, -1113, -1114, -1115, -1116, -1117,
         -1118, -1119, -1120, -1126, -1127, -1128, -1130, -1136), None, Proof.NOT_EXECUTED, "REQUEST_REFUSED"),
    Row((-2010,),                None,                   Proof.NONE,         "DUPLICATED_CLIENT_ORDER_ID", "Duplicate order sent."),
    Row((-2010,),                None,                   Proof.NOT_EXECUTED, "NEW_ORDER_REJECTED"),
)
# fmt: on
NOTHING_TO_CHANGE = frozenset({"NO_NEED_TO_CHANGE_MARGIN_TYPE", "NO_NEED_TO_CHANGE_POSITION_SIDE"})
"""Reasons that say: it is already as was asked for."""
UNAVAILABLE, REQUEST_TIMEOUT = 503, 408
NOT_EXECUTED_503 = (
    "Service Unavailable.",
    "Internal error; unable to process your request. Please try again.",
    "Request throttled by system-level protection.",
)
"""What a 503 says of a request that failed for sure (general information of the futures API). `Unknown error, please check your request ...` is not among them."""
OVERLOAD_PAUSE_MS = 400
"""The venue advises 200, 400, 800 ms between tries; the order's time to live ends them."""
_BANNED_UNTIL = re.compile(r"banned until ([0-9]{13})\b")


def classify(call: Call, response: Response, own_error_id: Callable[[], ErrorId]) -> Verdict:
    """What `response` proves about `call`. The venue gives failures no id: own_error_id names them."""
    if response.status == REQUEST_TIMEOUT:  # the venue's own backend did not answer it in time, whatever the body says
        return Unknown(reason="408_backend_timeout", error_id=own_error_id())
    if response.status == UNAVAILABLE and _failed_for_sure(failure_of(decode_answer(response.body))):
        return Throttled(retry_after_ms=OVERLOAD_PAUSE_MS, error_id=own_error_id())
    found = _TABLE.classify(call, response, own_error_id)
    if isinstance(found, Throttled) and "retry-after" not in response.headers:
        return _until_ban_ends(found, response)
    return found


def classify_leg(purpose: Purpose, document: object, error_id: ErrorId) -> NotExecuted | Unknown:
    """What a failed leg of a batch proves about that leg."""
    return _TABLE.judge_leg(purpose, document, error_id)


def _failed_for_sure(failure: Failure | None) -> bool:
    return failure is not None and failure.message.startswith(NOT_EXECUTED_503)


def _until_ban_ends(found: Throttled, response: Response) -> Throttled:
    """The futures API documents no Retry-After: a ban says until when in its message, by the venue's clock, and so does the answer's own Date."""
    failure = failure_of(decode_answer(response.body))
    banned = None if failure is None else _BANNED_UNTIL.search(failure.message)
    now_ms = _date_ms(response.headers.get("date", ""))
    if banned is None or now_ms is None:
        return found
    wait_ms = max(RETRY_AFTER_MS_MIN, min(int(banned.group(1)) - now_ms, RETRY_AFTER_MS_MAX))
    return Throttled(retry_after_ms=wait_ms, error_id=found.error_id)


def _date_ms(text: str) -> int | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return None if found.tzinfo is None else int(found.timestamp()) * 1_000


_TABLE = ErrorTable(
    Rule(code=code, proof=row.proof, reason=row.reason, purposes=row.purposes, text=row.text)
    for row in TABLE
    for code in row.codes
)
