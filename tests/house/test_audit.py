"""The question for known vulnerabilities: it fails on one, and where nobody answers it says so and fails nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.house.source import ROOT
from tests.house.test_dependencies import LOCKED

NOWHERE = "http://127.0.0.1:9/"


@contextmanager
def _database(known: dict[str, str], *, garbage: bytes | None = None) -> Iterator[str]:
    """OSV's querybatch, of which we need one field. known: purl up to the version, id of what is wrong with it."""

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            purls = [query["package"]["purl"] for query in asked]
            found: list[dict[str, Any]] = [
                {"vulns": [{"id": known[name], "modified": "2026-01-01T00:00:00Z"}]} if name in known else {}
                for name in (purl.partition("@")[0] for purl in purls)
            ]
            body = json.dumps({"results": found}).encode() if garbage is None else garbage
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody looks."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def _audit(url: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", ROOT / "requirements/audit.py"],
        env={**os.environ, "ORDERGATE_AUDIT_URL": url, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_known_vulnerability_fails_and_is_named() -> None:
    with _database({"pkg:pypi/aiohttp": "GHSA-test-0001"}) as url:
        code, said = _audit(url)
    assert code == 1
    assert "GHSA-test-0001" in said
    assert "aiohttp==" in said


def test_none_is_said_with_how_many_were_asked_for() -> None:
    with _database({"pkg:pypi/not-ours": "GHSA-test-0002"}) as url:
        code, said = _audit(url)
    assert (code, said) == (0, f"audit: {len(LOCKED)} packages, no known vulnerability\n")


@pytest.mark.parametrize("garbage", [b"<html>", b"[]", b'{"results": []}'])
def test_what_is_no_answer_proves_nothing_and_fails_nothing(garbage: bytes) -> None:
    with _database({}, garbage=garbage) as url:
        code, said = _audit(url)
    assert (code, "skipped" in said) == (0, True), said


def test_without_a_database_it_says_skipped_at_once() -> None:
    """For the reason that the system gave, not because its own limit had passed."""
    code, said = _audit(NOWHERE)
    assert (code, "skipped" in said, "Connection refused" in said) == (0, True, True), said
