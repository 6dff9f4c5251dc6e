"""The gate's fields. Decimals come as strings (documented) and may come as integers; ids and times come as integers and may come as strings; a JSON float has
lost digits already and is refused.
"""

import re
from decimal import Decimal
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ordergate.trading.errors import Unreadable

_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_NUMBER = re.compile(r"[0-9]{1,30}")
_TIME_MS_MAX = 253_402_300_800_000  # the year 10,000


def _to_decimal(value: object) -> Decimal:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ValueError("not a decimal text")
    return Decimal(value)


def _to_decimal_or_none(value: object) -> Decimal | None:
    """Where the exchange writes nothing as null, as an empty text or not at all."""
    return None if value is None or (isinstance(value, str) and not value) else _to_decimal(value)


def _to_id(value: object) -> str:
    """A number of the exchange's, as text: it becomes subject, cursor and parameter."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise ValueError("not a number")
    return value


def _to_count(value: object) -> int:
    return int(_to_id(value))


def _to_ms(value: object) -> int:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _TIME_MS_MAX:
        raise ValueError("not a time in milliseconds")
    return value


def _to_bool(value: object) -> bool:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")  # noqa: TRY004 - pydantic reports a ValueError by its field
    return value


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise ValueError("negative")
    return value


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise ValueError("not positive")
    return value


Number = Annotated[Decimal, BeforeValidator(_to_decimal)]
Quantity = Annotated[Number, AfterValidator(_not_negative)]
Positive = Annotated[Number, AfterValidator(_positive)]
MaybeNumber = Annotated[Decimal | None, BeforeValidator(_to_decimal_or_none)]
NumericId = Annotated[str, BeforeValidator(_to_id)]
Count = Annotated[int, BeforeValidator(_to_count)]
TimeMs = Annotated[int, BeforeValidator(_to_ms)]
Flag = Annotated[bool, BeforeValidator(_to_bool)]
Name = Annotated[str, Field(min_length=1, max_length=128)]


class Row(BaseModel):
    """Strict about every field that we rely on, tolerant of fields that we do not know."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


Checked = TypeVar("Checked", bound=BaseModel)


def check(model: type[Checked], document: object) -> Checked:
    """Raises Unreadable, naming the fields that are wrong and none of their values."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        fields = ", ".join(
            sorted({".".join(map(str, found["loc"])) for found in error.errors(include_input=False)})[:5]
        )
        raise Unreadable(f"{model.__name__}: {fields}") from None


def check_rows(model: type[Checked], document: object) -> list[Checked]:
    """Of an array of such rows. Raises Unreadable."""
    if not isinstance(document, list):
        raise Unreadable(f"{model.__name__}: no array")
    return [check(model, row) for row in document]
