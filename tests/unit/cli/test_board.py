"""Claims about the picture of `watch`."""

from dataclasses import replace

from rich.console import Console

from ordergate.cli.board import ENDINGS_KEPT, Board
from ordergate.trading.events import Approved
from ordergate.trading.ids import ClientOrderId
from ordergate.trading.lifecycle import begin
from ordergate.trading.order import Order, State
from tests.unit.trading.making import request

NOW_MS = 1_790_000_010_000


def order(name: str, state: State = State.APPROVED) -> Order:
    made = begin(Approved(request=request(), at_ms=NOW_MS - 5_000))
    key = replace(made.request.key, client_order_id=ClientOrderId(name))
    return replace(made, request=replace(made.request, key=key), state=state)


def drawn(board: Board, *, height: int = 40, width: int = 120) -> list[str]:
    console = Console(width=width, height=height, record=True, quiet=True)
    with console.capture() as captured:
        console.quiet = False
        console.print(board.picture(NOW_MS, height, width))
    return captured.get().splitlines()


def test_an_order_that_ends_leaves_the_live_ones_and_the_endings_are_bounded() -> None:
    board = Board(title="z/main")
    for number in range(ENDINGS_KEPT + 10):
        board.note_order(order(f"o-{number}"))
        board.note_order(order(f"o-{number}", State.CANCELED))
    assert board.live == {}
    assert len(board.ended) == ENDINGS_KEPT


def test_unknown_orders_stand_first_and_in_the_headline_with_their_age() -> None:
    board = Board(title="z/main")
    board.note_order(order("young"))
    board.note_order(replace(order("lost", State.UNKNOWN), unknown_since_ms=NOW_MS - 3_000))
    assert "1 UNKNOWN for up to 3.0 s" in board.headline(NOW_MS)
    lines = drawn(board)
    assert next(index for index, line in enumerate(lines) if "lost" in line) < next(
        index for index, line in enumerate(lines) if "young" in line
    )


def test_no_cell_is_cut_on_a_narrow_terminal_and_the_picture_fits_its_height() -> None:
    board = Board(title="z/main")
    for number in range(100):
        board.note_order(order(f"og-ihggfwwwtdlplq24vbwy5cnr{number:02}"))
    lines = drawn(board, height=24, width=80)
    assert len(lines) <= 24
    assert not [line for line in lines if "…" in line]


def test_a_bus_that_is_away_is_said_in_the_headline() -> None:
    assert "AWAY" in Board(title="z/main", problem="THE BUS IS AWAY").headline(NOW_MS)
