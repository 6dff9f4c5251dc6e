"""An installation for containers: everybody gets what he needs and nobody the keys of another."""

import asyncio
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from ordergate.runtime.identities import Identities
from ordergate.runtime.settings import Installation, Signer
from ordergate.simulator.app import running_simulator
from ordergate.wire.seeds import public_key_of
from services.prepare.app import prepare
from services.prepare.certificates import RENEWED_BEFORE, VALID, Server, write_certificates
from services.prepare.settings import Settings
from services.venue_simulator.settings import Settings as SimulatorSettings

NOW = datetime.now(UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    prepare(Settings(home=tmp_path), now=NOW)
    return tmp_path


def test_each_service_finds_its_own_key_in_a_folder_of_its_own(home: Path) -> None:
    account = Installation.of((home / "installation/ordergate.toml").read_text()).accounts[0]
    assert {signer: path.parent for signer, path in account.keys.items()} == {
        signer: home / "secrets" / signer for signer in get_args(Signer)
    }
    assert all(path.exists() for path in account.keys.values())


def test_what_is_secret_is_read_by_its_owner_only(home: Path) -> None:
    folders = ("secrets/*/*", "simulator/simulator.json", "*/server.key", "identities/*.nk")
    secret = [path for pattern in folders for path in home.glob(pattern)]
    assert len(secret) > 20
    assert [path for path in secret if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_a_second_start_changes_no_key_and_no_certificate(home: Path) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    prepare(Settings(home=home), now=NOW)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_certificates_are_made_anew_before_they_end(tmp_path: Path) -> None:
    authority, servers = tmp_path / "authority.pem", [Server(folder=tmp_path, hosts=("bus",))]
    assert write_certificates(authority, servers, now=NOW)
    assert not write_certificates(authority, servers, now=NOW + VALID - RENEWED_BEFORE - timedelta(days=1))
    assert write_certificates(authority, servers, now=NOW + VALID - RENEWED_BEFORE + timedelta(days=1))


async def test_the_simulator_is_reached_over_tls_by_those_who_trust_the_authority(home: Path) -> None:
    settings = SimulatorSettings(
        config=home / "simulator/simulator.json",
        certificate=home / "simulator/server.pem",
        certificate_key=home / "simulator/server.key",
    )
    async with running_simulator(settings.read_config(), tls=settings.tls()) as simulator:
        port = int(simulator.url.rsplit(":", 1)[1])
        trusting = ssl.create_default_context(cafile=home / "installation/authority.pem")
        trusting.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
        assert await _status(port, trusting) == b"HTTP/1.1 200"
        with pytest.raises(ssl.SSLCertVerificationError):
            await _status(port, ssl.create_default_context())


async def _status(port: int, context: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="simulator")
    try:
        writer.write(b"GET /simulator/ledger HTTP/1.1\r\nHost: simulator\r\nConnection: close\r\n\r\n")
        return (await reader.readline())[:12]
    finally:
        writer.close()


def test_each_program_gets_the_seed_of_its_own_identity_and_the_bus_gets_none(home: Path) -> None:
    register = Identities(home / "identities")
    keys = {identity.name: key for identity, key in register.bearers()}
    handed = {path.parent.name: public_key_of(path) for path in (home / "secrets").glob("*/bus.nk")}
    assert handed == keys
    assert {"risk", "order_submission", "provision", "operator", "strategy", "fills"} <= keys.keys()
    bus = (home / "bus/authorization.conf").read_text()
    assert all(key in bus for key in keys.values())
    assert not any((home / "secrets" / name / "bus.nk").read_text().strip() in bus for name in keys)
