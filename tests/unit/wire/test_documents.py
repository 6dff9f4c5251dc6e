"""The documents say what the code says."""

import json
from pathlib import Path

import jsonschema
import pytest

from ordergate.trading.ids import AccountName, ClientOrderId, IntentId, StrategyName, Symbol, VenueName
from ordergate.trading.order import OrderKey, State
from ordergate.wire import documents, streams, subjects
from ordergate.wire.subjects import IntentKind

DOCS = Path(__file__).parents[3] / "docs"
VENUE, ACCOUNT, STRATEGY = VenueName("v"), AccountName("a"), StrategyName("s")
SYMBOL = Symbol("sym")
KEY = OrderKey(venue=VENUE, account=ACCOUNT, symbol=SYMBOL, client_order_id=ClientOrderId("c"))


def test_the_documents_in_the_repository_are_those_of_the_code() -> None:
    stale = [path for path, text in documents.files().items() if not _same(DOCS / path, text)]
    assert not stale, "run `make docs`"
    extra = {f"schemas/{path.name}" for path in (DOCS / "schemas").glob("*.json")} - set(documents.files())
    assert not extra, "run `make docs`"


def test_writing_twice_writes_the_same_and_removes_what_is_no_longer_said(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "Gone.json").write_text("{}")
    documents.write(tmp_path)
    first = {path.name: path.read_text() for path in tmp_path.rglob("*.json")}
    documents.write(tmp_path)
    assert first == {path.name: path.read_text() for path in tmp_path.rglob("*.json")}
    assert "Gone.json" not in first


@pytest.mark.parametrize("name", documents.schemas())
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(documents.schemas()[name])


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = documents.asyncapi()
    for reference in _references(document):
        if reference.startswith("schemas/"):
            assert reference.removeprefix("schemas/").removesuffix(".json") in documents.schemas()
            continue
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert place


def test_every_stream_is_written_and_every_message_travels() -> None:
    assert {channel.stream for channel in documents.CHANNELS} - {None} == {spec.name for spec in streams.streams()}
    said = {name for channel in documents.CHANNELS for name in channel.messages} | {
        shelf.message for shelf in documents.SHELVES
    }
    assert set(documents.schemas()) - said == {"KillAcknowledgement"}  # the answer to the core request
    assert {shelf.bucket for shelf in documents.SHELVES} == {bucket.name for bucket in streams.buckets()}


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        *((kind.value, subjects.intent(VENUE, ACCOUNT, STRATEGY, kind, SYMBOL)) for kind in IntentKind),
        ("orders", subjects.order(KEY, State.FILLED)),
        ("positions", subjects.position(KEY)),
        ("answers", subjects.answer(VENUE, ACCOUNT, STRATEGY, IntentId("i"))),
        ("requests", subjects.requests(VENUE, ACCOUNT, "svc")),
        ("risk", subjects.risk(VENUE, ACCOUNT, "w")),
        ("reconciliation", subjects.reconciliation(VENUE, ACCOUNT, "w")),
        ("fillsStatement", subjects.fills_statement(VENUE, ACCOUNT)),
        ("dead", subjects.dead("svc", "st")),
        ("statementRequest", subjects.statement_request(VENUE, ACCOUNT)),
        ("budget", subjects.budget(VENUE, ACCOUNT)),
        ("kill", subjects.kill_key(VENUE, ACCOUNT)),
        ("mode", subjects.mode_key(VENUE, ACCOUNT)),
        ("cursor", subjects.cursor_key(VENUE, ACCOUNT, SYMBOL)),
        ("lease", subjects.lease_key("w", VENUE, ACCOUNT)),
        ("checkpoint", subjects.checkpoint_key("svc", VENUE, ACCOUNT)),
        ("filters", subjects.instrument_key(VENUE, SYMBOL)),
        ("price", subjects.price_key(VENUE, SYMBOL)),
    ],
)
def test_an_address_in_the_documents_is_what_the_builder_builds(name: str, subject: str) -> None:
    parts = {
        "venue": "v",
        "account": "a",
        "strategy": "s",
        "symbol": "sym",
        "clientOrderId": "c",
        "state": "filled",
        "intentId": "i",
        "service": "svc",
        "stream": "st",
        "what": "w",
    }
    assert subjects.ADDRESSES[name].format(**parts) == subject


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        mine = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return mine + [reference for value in node.values() for reference in _references(value)]
    if isinstance(node, list):
        return [reference for value in node for reference in _references(value)]
    return []


def test_no_document_is_a_surprise_to_json() -> None:
    for text in documents.files().values():
        assert json.loads(text)
