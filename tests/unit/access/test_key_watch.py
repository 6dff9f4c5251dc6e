from pathlib import Path

import pytest

from ordergate.access.keys.files import read_key
from ordergate.access.keys.key import Key
from ordergate.access.keys.watch import KeyWatch, Replaced, Unreadable

FIRST, SECOND = ("first-key", "first-secret"), ("second-key", "second-secret")


def write(path: Path, pair: tuple[str, str], mode: int = 0o400) -> None:
    """As it should be done: a new file, moved into place."""
    fresh = path.with_name("fresh")
    fresh.write_text("\n".join(pair))
    fresh.chmod(mode)
    fresh.replace(path)


def watched(path: Path) -> tuple[KeyWatch, list[Path]]:
    reads: list[Path] = []

    def read(each: Path) -> Key:
        reads.append(each)
        return read_key(each)

    return KeyWatch(path, read_key(path), read=read), reads


def test_a_new_key_is_noticed_and_an_unchanged_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write(path, FIRST)
    watch, reads = watched(path)
    assert [watch.look() for _ in range(3)] == [None] * 3
    assert len(reads) == 1
    write(path, SECOND)
    found = watch.look()
    assert isinstance(found, Replaced)
    assert (found.key.public, found.key.secret) == SECOND
    assert watch.look() is None
    assert len(reads) == 2


def test_the_exchanged_link_of_a_kubernetes_volume_is_noticed(tmp_path: Path) -> None:
    for name, pair in (("..first", FIRST), ("..second", SECOND)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "key", pair, 0o440)
    (tmp_path / "..data").symlink_to("..first")
    (tmp_path / "key").symlink_to("..data/key")
    watch, _ = watched(tmp_path / "key")
    assert watch.look() is None
    (tmp_path / "..data_tmp").symlink_to("..second")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    found = watch.look()
    assert isinstance(found, Replaced)
    assert found.key.secret == SECOND[1]


@pytest.mark.parametrize("fault", ["gone", "open to others", "half written", "empty"])
def test_a_file_that_cannot_be_used_keeps_the_key_and_is_said_once(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "key"
    write(path, FIRST)
    watch, _ = watched(path)
    assert watch.look() is None
    match fault:
        case "gone":
            path.unlink()
        case "open to others":
            write(path, SECOND, 0o644)
        case "half written":
            write(path, ("second-key", ""))
        case _:
            write(path, ("", ""))
    said = [watch.look() for _ in range(3)]
    assert [isinstance(each, Unreadable) and each.new for each in said] == [True, False, False]
    assert all(isinstance(each, Unreadable) and "second" not in each.reason for each in said)
    write(path, SECOND)
    assert isinstance(watch.look(), Replaced)


def test_a_rewritten_file_with_the_same_key_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write(path, FIRST)
    watch, reads = watched(path)
    assert watch.look() is None
    write(path, FIRST)
    assert watch.look() is None
    assert len(reads) == 2
