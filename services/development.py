"""An installation for one machine with the simulator as its venue: keys made here, configuration written to files.

The keys open nothing but this simulator. They are made at random on the first start and kept in files that only their owner can read.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from ordergate.runtime.settings import Signer

VENUE = "zetarium"


@dataclass(frozen=True, slots=True, kw_only=True)
class Development:
    """What to simulate. limits: where they differ from the venue's, by our names for its buckets; simulator: more of its document;

    deviation: what the services are told of a simulator that is not what the venue's adapter declares (ports.venue.Deviation);
    order_entry: the way of the accounts' orders, None for the venue's first;
    replicas: how many processes of a service may serve the same accounts at once, each with keys of its own;
    url: where the services find the simulator, None for this machine;
    key_folders: where a service has its key files when not below the home, for each to have a folder that the others cannot read.
    """

    venue: str = VENUE
    accounts: Sequence[str] = ("main",)
    symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT")
    limits: Mapping[str, int] = field(default_factory=dict)
    simulator: Mapping[str, Any] = field(default_factory=dict)
    risk: Mapping[str, Any] = field(default_factory=dict)
    deviation: Mapping[str, Any] = field(default_factory=dict)
    order_entry: str | None = None
    replicas: int = 1
    url: str | None = None
    key_folders: Mapping[Signer, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where the documents are. replicas: of each replica after the first, the same installation with its own keys."""

    installation: Path
    simulator: Path
    replicas: Sequence[Path] = ()


def write_development(home: Path, development: Development, *, simulator_port: int) -> Written:
    """Write ordergate.toml, simulator.json and the key files; keys that are there already are kept."""
    home.mkdir(parents=True, exist_ok=True)
    names = ["", *(f"-{number}" for number in range(2, development.replicas + 1))]
    keys = {
        name: [
            (signer, _key(_key_file(home, name, development, signer, replica)))
            for replica in names
            for signer in get_args(Signer)
        ]
        for name in development.accounts
    }
    simulator = home / "simulator.json"
    document = {
        "accounts": [{"account": name, "keys": [_venue_key(*pair) for pair in keys[name]]} for name in keys],
        **_simulated(development),
        **development.simulator,
    }
    _write_private(simulator, json.dumps(document, indent=1))
    installations = [home / f"ordergate{replica}.toml" for replica in names]
    for installation, replica in zip(installations, names, strict=True):
        installation.write_text(_toml(home, development, simulator_port, replica))
    return Written(installation=installations[0], simulator=simulator, replicas=installations[1:])


def _simulated(development: Development) -> dict[str, Any]:
    """The dialect, and its limits in its own words."""
    if development.venue == VENUE:
        return {"limits": dict(development.limits)}
    longer = "orders1D" if development.venue == "binance-spot" else "orders1M"
    names = {"requests": "weight1M", "orders": "orders10S", "orders_long": longer}
    limits = {names[name]: limit for name, limit in development.limits.items()}
    return {"dialect": development.venue, "binanceLimits": limits}


def _key(path: Path) -> dict[str, str]:
    if path.exists():
        found: dict[str, str] = json.loads(path.read_text())
        return found
    key = {"key": f"zd_{secrets.token_hex(20)}", "secret": secrets.token_hex(32)}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_private(path, json.dumps(key))
    return key


def _key_file(home: Path, account: str, development: Development, signer: Signer, replica: str) -> Path:
    return development.key_folders.get(signer, home / "keys") / f"{account}-{signer}{replica}.json"


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600, exist_ok=True)
    path.write_text(text)


def _venue_key(signer: str, key: Mapping[str, str]) -> dict[str, Any]:
    return {**key, "permissions": ["TRADE" if signer == "order_submission" else "READ_ONLY"]}


def _toml(home: Path, development: Development, port: int, replica: str) -> str:
    return "\n".join(_account_toml(home, name, development, port, replica) for name in development.accounts)


def _account_toml(home: Path, account: str, development: Development, port: int, replica: str) -> str:
    key_files = "\n".join(
        f"{signer} = {json.dumps(str(_key_file(home, account, development, signer, replica)))}"
        for signer in get_args(Signer)
    )
    url = development.url or f"http://127.0.0.1:{port}"
    # A TOML number, string, boolean or array of these is written like the same in JSON.
    risk = "\n".join(f"{name} = {json.dumps(value)}" for name, value in development.risk.items())
    deviation = "\n".join(f"{name} = {json.dumps(value)}" for name, value in development.deviation.items())
    limits = "\n".join(f"{name} = {limit}" for name, limit in development.limits.items())
    entry = "" if development.order_entry is None else f"order_entry = {json.dumps(development.order_entry)}\n"
    return f"""[[accounts]]
venue = {json.dumps(development.venue)}
account = {json.dumps(account)}
base_url = {json.dumps(url)}
symbols = {json.dumps(list(development.symbols))}
{entry}[accounts.keys]
{key_files}
[accounts.risk]
{risk}
[accounts.limits]
{limits}
[accounts.deviation]
{deviation}
"""
