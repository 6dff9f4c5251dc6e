"""What the venue simulator is made of, as its service reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.venue_simulator.settings import Settings


def test_dialect_of_the_environment_goes_before_the_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "simulator.json"
    document.write_text('{"dialect":"binance-spot"}')
    monkeypatch.setenv("ORDERGATE_SIMULATOR_CONFIG", str(document))
    assert Settings().read_config().dialect == "binance-spot"
    monkeypatch.setenv("ORDERGATE_SIMULATOR_DIALECT", "binance-futures")
    config = Settings().read_config()
    assert (config.dialect, config.client_ids) == ("binance-futures", "open_only")


@pytest.mark.parametrize("text", ["[]", "{", '{"seeds":1}'])
def test_wrong_document_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    document = tmp_path / "simulator.json"
    document.write_text(text)
    monkeypatch.setenv("ORDERGATE_SIMULATOR_CONFIG", str(document))
    monkeypatch.setenv("ORDERGATE_SIMULATOR_DIALECT", "binance-spot")
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's and json's are both
        Settings().read_config()
