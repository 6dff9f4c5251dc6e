"""The documents say what the code says."""

import json
from pathlib import Path

import jsonschema
import pytest

from ordergate.wire import documents, streams

DOCS = Path(__file__).parents[3] / "docs"


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
    assert set(documents.schemas()) - said == {
        "KillAcknowledgement",
        "KeyRevocationAcknowledgement",
        "BudgetAnswer",
    }  # answers to core requests
    assert {shelf.bucket for shelf in documents.SHELVES} == {bucket.name for bucket in streams.buckets()}


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("place", "intents.{venue}.{account}.{strategy}.place.{symbol}"),
        ("orders", "orders.{venue}.{account}.{symbol}.{clientOrderId}.{state}"),
        ("fills", "fills.{venue}.{account}.{symbol}.{tradeId}-{venueOrderId}"),
        ("positions", "positions.{venue}.{account}.{symbol}"),
        ("answers", "answers.{venue}.{account}.{strategy}.{intentId}"),
        ("dead", "dead.{service}.{stream}"),
        ("fillsStatement", "reconciliation.{venue}.{account}.fills"),
    ],
)
def test_the_documented_addresses_are_those_of_the_contract(name: str, address: str) -> None:
    assert documents.asyncapi()["channels"][name]["address"] == address


def test_every_address_is_in_the_stream_it_is_said_to_be_in() -> None:
    subjects_of = {spec.name: spec.subjects for spec in streams.streams()}
    for channel in documents.CHANNELS:
        if channel.stream is not None:
            assert any(_covers(pattern, channel.address) for pattern in subjects_of[channel.stream]), channel.name


def _covers(pattern: str, subject: str) -> bool:
    wanted, tokens = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted = wanted[:-1] + ["*"] * (len(tokens) - len(wanted) + 1)
    return len(wanted) == len(tokens) and all(want in {"*", token} for want, token in zip(wanted, tokens, strict=True))


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
    for path, text in documents.files().items():
        assert not path.endswith(".json") or json.loads(text)
