"""What an answer of Binance Spot proves about the request it answers, as a table; what holds for every code is in venues.binance.errors.

Source: errors.md of the exchange's documentation. A code that is not here is Unknown. -1013 did not reach the matching engine; -1010, -2010, -2011 and -2038
are the engine's own refusals, whose message says which, and all of them did nothing but for an id that is in use: that order may be ours.
"""

from enum import StrEnum

from ordergate.ports.venue import NotExecuted, Unknown
from ordergate.trading.ids import ErrorId
from ordergate.venues.binance.errors import ErrorTable, Proof, Rule


class Purpose(StrEnum):
    READ = "read"
    PLACE = "place"
    TEST = "test"
    LIST = "list"  # OCO, OTO, OTOCO
    CANCEL = "cancel"
    CANCEL_LIST = "cancel_list"
    CANCEL_ALL = "cancel_all"
    REPLACE = "replace"  # cancelReplace
    AMEND = "amend"


ENDS = frozenset({Purpose.CANCEL, Purpose.CANCEL_LIST, Purpose.CANCEL_ALL, Purpose.REPLACE})
READS = frozenset({Purpose.READ})
BEGINS = frozenset({Purpose.PLACE, Purpose.TEST, Purpose.LIST, Purpose.REPLACE})
AMENDS = frozenset({Purpose.AMEND})

# Refused before it was carried out, whatever was asked. The names are the exchange's own.
# fmt: off
REFUSED = (
    (-1014, "unknown_order_composition"), (-1020, "unsupported_operation"), (-1100, "illegal_chars"), (-1101, "too_many_parameters"),
    (-1102, "mandatory_param_empty_or_malformed"), (-1103, "unknown_param"), (-1104, "unread_parameters"), (-1105, "param_empty"),
    (-1106, "param_not_required"), (-1108, "param_overflow"), (-1111, "bad_precision"), (-1112, "no_depth"), (-1114, "tif_not_required"),
    (-1115, "invalid_tif"), (-1116, "invalid_order_type"), (-1117, "invalid_side"), (-1118, "empty_new_cl_ord_id"), (-1119, "empty_org_cl_ord_id"),
    (-1120, "bad_interval"), (-1121, "bad_symbol"), (-1122, "invalid_symbolstatus"), (-1125, "invalid_listen_key"), (-1127, "more_than_xx_hours"),
    (-1128, "optional_params_bad_combo"), (-1130, "invalid_parameter"), (-1134, "bad_strategy_type"), (-1135, "invalid_json"),
    (-1139, "invalid_ticker_type"), (-1145, "invalid_cancel_restrictions"), (-1151, "duplicate_symbols"), (-1158, "oco_order_type_rejected"),
    (-1160, "oco_icebergqty_timeinforce"), (-1165, "buy_oco_limit_must_be_below"), (-1166, "sell_oco_limit_must_be_above"),
    (-1168, "both_oco_orders_cannot_be_limit"), (-1194, "invalid_time_unit"), (-1196, "buy_oco_stop_loss_must_be_above"),
    (-1197, "sell_oco_stop_loss_must_be_below"), (-1198, "buy_oco_take_profit_must_be_below"), (-1199, "sell_oco_take_profit_must_be_above"),
    (-1210, "invalid_peg_price_type"), (-1211, "invalid_peg_offset_type"), (-1220, "symbol_does_not_match_status"), (-1222, "opo_working_must_be_buy"),
    (-1223, "opo_pending_must_be_sell"), (-1224, "working_param_required"), (-1225, "pending_param_not_required"), (-2016, "no_trading_window"),
)

# What the engine says of an order, by how its message begins; any other message of the same codes is a refusal too, under its own words.
ENGINE = (
    ("Account has insufficient balance", "insufficient_balance"), ("Market is closed", "market_closed"),
    ("Order would immediately match and take", "would_match_immediately"), ("Order would trigger immediately", "would_trigger_immediately"),
    ("This action is disabled on this account", "account_disabled"), ("This account may not place or cancel orders", "account_disabled"),
    ("This symbol is not permitted for this account", "symbol_not_permitted"), ("This symbol is restricted for this account", "symbol_not_permitted"),
    ("The relationship of the prices for the orders is not correct", "oco_bad_prices"),
    ("The requested action would change no state", "would_change_no_state"),
)

RULES = (
    # Nothing proven.
    Rule(code=-1000, proof=Proof.NONE), Rule(code=-1001, proof=Proof.NONE), Rule(code=-1006, proof=Proof.NONE), Rule(code=-1007, proof=Proof.NONE),
    Rule(code=-1016, proof=Proof.NONE),
    *(Rule(code=code, proof=Proof.NONE, text="Duplicate order sent") for code in (-1010, -1013, -2010, -2011, -2038)),
    # The key, or how it signs: nothing more is of use until somebody looks.
    Rule(code=-1002, proof=Proof.CREDENTIALS, reason="unauthorized"), Rule(code=-1022, proof=Proof.CREDENTIALS, reason="invalid_signature"),
    Rule(code=-2014, proof=Proof.CREDENTIALS, reason="bad_api_key_fmt"), Rule(code=-2015, proof=Proof.CREDENTIALS, reason="rejected_mbx_key"),
    Rule(code=-1021, proof=Proof.CLOCK),
    *(Rule(code=code, proof=Proof.THROTTLED) for code in (-1003, -1008, -1015, -1034)),
    # The order is not there: of a cancel it answers the cancel, of a read the read, of anything else it proves nothing.
    Rule(code=-2013, proof=Proof.NOT_FOUND, reason="no_such_order", purposes=READS | AMENDS | ENDS),
    Rule(code=-2026, proof=Proof.NOT_FOUND, reason="order_archived", purposes=READS | ENDS),
    Rule(code=-2039, proof=Proof.NOT_FOUND, reason="client_order_id_invalid", purposes=READS | AMENDS | ENDS),
    Rule(code=-2011, proof=Proof.NOT_FOUND, reason="unknown_order", purposes=ENDS, text="Unknown order sent"),
    Rule(code=-2011, proof=Proof.NOT_EXECUTED, reason="cancel_restrictions", purposes=ENDS, text="Order was not canceled due to cancel restrictions"),
    Rule(code=-2011, proof=Proof.NOT_FOUND, purposes=ENDS),
    Rule(code=-2038, proof=Proof.NOT_FOUND, reason="unknown_order", purposes=AMENDS, text="Unknown order sent"),
    Rule(code=-2038, proof=Proof.NOT_EXECUTED, purposes=AMENDS),
    # Several things were asked.
    Rule(code=-2021, proof=Proof.BY_DATA, purposes=frozenset({Purpose.REPLACE})), Rule(code=-2022, proof=Proof.BY_DATA, purposes=frozenset({Purpose.REPLACE})),
    # The engine's word, and the gate's before it.
    *(Rule(code=code, proof=Proof.NOT_EXECUTED, reason=reason, purposes=BEGINS | AMENDS, text=text) for code in (-1010, -1013, -2010) for text, reason in ENGINE),
    Rule(code=-1013, proof=Proof.NOT_EXECUTED), Rule(code=-1010, proof=Proof.NOT_EXECUTED, purposes=BEGINS | AMENDS),
    Rule(code=-2010, proof=Proof.NOT_EXECUTED, purposes=BEGINS | AMENDS),
    *(Rule(code=code, proof=Proof.NOT_EXECUTED, reason=reason) for code, reason in REFUSED),
)
# fmt: on

TABLE = ErrorTable(RULES)
classify = TABLE.classify


def judge_leg(purpose: Purpose, document: object, error_id: ErrorId) -> NotExecuted | Unknown:
    """What the failure of one leg proves of it."""
    return TABLE.judge_leg(purpose, document, error_id)
