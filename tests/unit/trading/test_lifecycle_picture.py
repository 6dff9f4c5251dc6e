"""The picture in the documentation is the table."""

from tests.unit.trading import draw_lifecycle


def test_the_picture_in_the_docs_is_drawn_from_the_table_as_it_is() -> None:
    assert draw_lifecycle.PAGE.read_text(encoding="utf-8") == draw_lifecycle.render(), (
        "run: PYTHONPATH=libs python -m tests.unit.trading.draw_lifecycle"
    )
