"""The folder of identities: seeds for their bearers, the register, and the block that the server includes."""

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ordergate.trading.errors import Misconfigured, Misuse
from ordergate.trading.ids import AccountName, StrategyName, VenueName
from ordergate.wire.authorization import authorization
from ordergate.wire.identities import SINGLE, Identity, Kind, Place
from ordergate.wire.seeds import nkeys_library, public_key_of

REGISTER = "identities.json"
AUTHORIZATION = "authorization.conf"
_SEED_BYTES = 32
_KEY = r"^U[A-Z2-7]{55}$"
_NAME = r"^[A-Za-z0-9_-]{1,64}$"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=_NAME)
    kind: Kind
    key: str = Field(pattern=_KEY)
    accounts: tuple[tuple[str, str], ...] = ()
    strategy: str | None = None
    seed: str | None = None  # its file in the folder, where that is not <name>.nk
    former_key: str | None = Field(default=None, pattern=_KEY)  # while it is exchanged: let in beside the new one
    former_seed: str | None = None

    @property
    def seed_name(self) -> str:
        return self.seed or f"{self.name}.nk"

    def identity(self) -> Identity:
        return Identity(
            name=self.name,
            kind=self.kind,
            accounts=tuple((VenueName(venue), AccountName(account)) for venue, account in self.accounts),
            strategy=None if self.strategy is None else StrategyName(self.strategy),
        )


class _Register(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    identities: tuple[_Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Identities:
    """One folder. What it says is in force once the server has read it again (SIGHUP)."""

    folder: Path

    @property
    def authorization(self) -> Path:
        return self.folder / AUTHORIZATION

    def seed_file(self, name: str) -> Path:
        """Of the key that its bearer is to use; while it is exchanged that is the new one."""
        found = next((entry.seed_name for entry in self._entries() if entry.name == name), f"{name}.nk")
        return self.folder / found

    def bearers(self) -> list[tuple[Identity, str]]:
        """Everybody and their public keys; twice who has two for a while. Raises Misconfigured for a register that cannot be read."""
        return list(_bearers(self._entries()))

    def add(self, identity: Identity, *, served: Sequence[Place]) -> Path:
        """Write a new seed and the server's block; where the seed is. Raises Misuse: the name is taken, or no name."""
        if re.fullmatch(_NAME, identity.name) is None:
            raise Misuse(f"{identity.name!r} is no name: at most 64 letters, digits, - and _")
        entries = self._entries()
        seed_file = self.seed_file(identity.name)
        if any(entry.name == identity.name for entry in entries) or seed_file.exists():
            raise Misuse(f"there is an identity {identity.name} already; remove it first, or choose another name")
        self.folder.mkdir(parents=True, exist_ok=True)
        entry = _Entry(
            name=identity.name,
            kind=identity.kind,
            key=_write_seed(seed_file),
            accounts=tuple((str(venue), str(account)) for venue, account in identity.accounts),
            strategy=identity.strategy,
        )
        self._save([*entries, entry], served)
        return seed_file

    def add_services(self, *, served: Sequence[Place]) -> list[Path]:
        """Those that are not there yet of provision and the five services."""
        there = {entry.name for entry in self._entries()}
        return [self.add(Identity(name=kind, kind=kind), served=served) for kind in SINGLE if kind not in there]

    def remove(self, name: str, *, served: Sequence[Place]) -> None:
        """Raises Misuse where there is none of that name."""
        entries = self._entries()
        gone = _named(entries, name)
        self._save([entry for entry in entries if entry is not gone], served)
        for seed in {gone.seed_name, gone.former_seed} - {None}:
            (self.folder / str(seed)).unlink(missing_ok=True)

    def rotate(self, name: str, *, served: Sequence[Place]) -> Path:
        """A second key with the same rights beside the one in use; where its seed is. The old one holds until `finish`.

        The seed has a file of its own, for the old one is read again whenever its bearer connects again. Raises Misuse: there is no such
        identity, or it has two keys already.
        """
        entries = self._entries()
        entry = _named(entries, name)
        if entry.former_key is not None:
            raise Misuse(f"{name} has two keys already: ordergate identity rotate {name} --finish")
        number = 2
        while (seed_file := self.folder / f"{name}-{number}.nk").exists():
            number += 1
        fresh = entry.model_copy(
            update={
                "key": _write_seed(seed_file),
                "seed": seed_file.name,
                "former_key": entry.key,
                "former_seed": entry.seed_name,
            }
        )
        self._save([fresh if each is entry else each for each in entries], served)
        return seed_file

    def finish(self, name: str, *, served: Sequence[Place]) -> Path:
        """Take the old of two keys away, and its seed; where the seed is that counts. Raises Misuse where there is one key only."""
        entries = self._entries()
        entry = _named(entries, name)
        if entry.former_key is None or entry.former_seed is None:
            raise Misuse(f"{name} has one key: begin with ordergate identity rotate {name}")
        alone = entry.model_copy(update={"former_key": None, "former_seed": None})
        self._save([alone if each is entry else each for each in entries], served)
        (self.folder / entry.former_seed).unlink(missing_ok=True)
        return self.folder / entry.seed_name

    def write(self, *, served: Sequence[Place]) -> None:
        """The server's block anew, for other accounts or a newer matrix."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._save(self._entries(), served)

    def _entries(self) -> list[_Entry]:
        register = self.folder / REGISTER
        try:
            return list(_Register.model_validate_json(register.read_bytes()).identities)
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as error:
            raise Misconfigured(f"{register} cannot be read: {type(error).__name__}") from error

    def _save(self, entries: Iterable[_Entry], served: Sequence[Place]) -> None:
        """The server's block last: it never names somebody who is not in the register."""
        kept = list(entries)
        document = _Register(identities=tuple(kept)).model_dump(mode="json")
        _replace(self.folder / REGISTER, json.dumps(document, indent=1) + "\n")
        block = authorization(_bearers(kept), served=served)
        _replace(self.authorization, block)


def _bearers(entries: Iterable[_Entry]) -> Iterator[tuple[Identity, str]]:
    for entry in entries:
        yield entry.identity(), entry.key
        if entry.former_key is not None:
            yield entry.identity(), entry.former_key


def _named(entries: Iterable[_Entry], name: str) -> _Entry:
    """Raises Misuse."""
    for entry in entries:
        if entry.name == name:
            return entry
    raise Misuse(f"there is no identity {name}")


def _replace(path: Path, text: str) -> None:
    """Whole or not at all: a server that reads it meanwhile sees the old or the new."""
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.write_text(text)
    os.replace(fresh, path)  # noqa: PTH105 - says what it does


def _write_seed(seed_file: Path) -> str:
    """A new seed, readable by its owner only; its public key. Raises FileExistsError: a seed in use is never overwritten."""
    nkeys = nkeys_library()
    seed: bytes = nkeys.encode_seed(secrets.token_bytes(_SEED_BYTES), nkeys.PREFIX_BYTE_USER)
    number = os.open(seed_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(number, "wb") as file:
        file.write(seed + b"\n")
    return public_key_of(seed_file)
