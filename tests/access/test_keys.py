"""Client keys: what is stored, what is found, and how soon a worker knows."""

import base64
import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from trimtab.access.keys import LOOK_AGAIN_S, FreshKeys, Key, KeyDirectory, KeyStore
from trimtab.database.connection import connect
from trimtab.database.migrate import known, migrate, open_state
from trimtab.errors import KeyNameInvalid, KeyUnknown, StoreError
from trimtab.ids import IdSource


class Ticking:
    """A clock that moves one nanosecond at each reading."""

    def __init__(self) -> None:
        self.now_ns = 0

    def monotonic(self) -> float:
        return self.wall_ns() / 1e9

    def wall_ns(self) -> int:
        self.now_ns += 1
        return self.now_ns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[KeyStore]:
    with contextlib.closing(open_state(path)) as connection:
        yield KeyStore(connection, Ticking(), IdSource(seed=1))


@pytest.fixture
def directory(path: Path) -> Iterator[KeyDirectory]:
    with contextlib.closing(KeyDirectory(path)) as found:
        yield found


def test_secret_has_256_random_bits(path: Path) -> None:
    """A secret is `tt_` and the 43 characters of its 32 random bytes."""
    with contextlib.closing(open_state(path)) as connection:
        store = KeyStore(connection, Ticking(), IdSource(seed=1), entropy=lambda size: bytes(range(size)))
        _, secret = store.new("app")
    assert secret == "tt_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert base64.urlsafe_b64decode(secret[3:] + "=") == bytes(range(32))


def test_two_secrets_differ(store: KeyStore) -> None:
    """No two keys share a secret."""
    assert len({store.new("app")[1] for _ in range(20)}) == 20


def test_secret_is_nowhere_on_disk(store: KeyStore, path: Path) -> None:
    """The database holds the sha256 of a secret and never the secret, in any of its files."""
    _, secret = store.new("app")
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert secret.encode() not in content
    assert hashlib.sha256(secret.encode()).digest() in content


def test_list_tells_all_but_the_secret(store: KeyStore) -> None:
    """Keys are listed oldest first, revoked ones too, with their tasks once each."""
    first, _ = store.new("app", ["triage", "extract", "triage"])
    second, _ = store.new("other")
    store.revoke("app")
    assert store.list() == (
        Key(first.id, "app", 1, 3, ("triage", "extract")),
        Key(second.id, "other", 2, None, ()),
    )


def test_find(store: KeyStore, directory: KeyDirectory) -> None:
    """A live key is found by its secret, and by nothing else."""
    key, secret = store.new("app", ["triage"])
    assert directory.refresh()
    assert directory.find(secret.encode()) == key
    for wrong in (b"", b"tt_", secret.encode()[:-1], secret.encode() + b"A", secret.encode().upper()):
        assert directory.find(wrong) is None


def test_revocation_is_seen_at_the_next_refresh(store: KeyStore, directory: KeyDirectory) -> None:
    """A revoked key is gone after one refresh; the others stay."""
    _, gone = store.new("app")
    _, stays = store.new("other")
    directory.refresh()
    store.revoke("app")
    assert directory.refresh()
    assert directory.find(gone.encode()) is None
    assert directory.find(stays.encode()) is not None


def test_refresh_without_a_change_reads_nothing(store: KeyStore, directory: KeyDirectory) -> None:
    """Refresh says whether the database has changed since the last one."""
    store.new("app")
    assert [directory.refresh(), directory.refresh()] == [True, False]


def test_before_there_is_a_database(path: Path, directory: KeyDirectory) -> None:
    """A worker may start before the first key is made, and then sees it."""
    assert not directory.refresh()
    assert directory.find(b"tt_x") is None
    with contextlib.closing(open_state(path)) as connection:
        _, secret = KeyStore(connection, Ticking(), IdSource(seed=1)).new("app")
    assert directory.refresh()
    assert directory.find(secret.encode()) is not None


def test_before_there_is_a_schema(path: Path, directory: KeyDirectory) -> None:
    """An empty database file has no keys and is no error."""
    path.touch()
    directory.refresh()
    with contextlib.closing(open_state(path)) as connection:
        _, secret = KeyStore(connection, Ticking(), IdSource(seed=1)).new("app")
        assert directory.refresh()
        assert directory.find(secret.encode()) is not None


def test_a_vanished_database_has_no_keys(store: KeyStore, path: Path, directory: KeyDirectory) -> None:
    """When the database is taken away, every key ends; when another one comes, its keys hold."""
    _, secret = store.new("app")
    directory.refresh()
    path.rename(path.with_name("old.db"))
    assert directory.refresh()
    assert directory.find(secret.encode()) is None
    with contextlib.closing(open_state(path)) as connection:
        _, another = KeyStore(connection, Ticking(), IdSource(seed=2)).new("app")
    assert directory.refresh()
    assert directory.find(secret.encode()) is None
    assert directory.find(another.encode()) is not None


def test_an_unreadable_database_keeps_what_is_known(store: KeyStore, path: Path, directory: KeyDirectory) -> None:
    """A refresh that cannot read raises, and the keys known before stay in force."""
    _, secret = store.new("app")
    directory.refresh()
    replacement = path.with_name("new.db")
    replacement.write_bytes(b"not a database, by any means" * 100)
    replacement.rename(path)
    for companion in ("state.db-wal", "state.db-shm"):
        path.with_name(companion).unlink()
    with pytest.raises(StoreError, match="not a database"):
        directory.refresh()
    assert directory.find(secret.encode()) is not None


def test_keys_of_one_name_take_over_from_each_other(store: KeyStore) -> None:
    """A name may have two live keys; an id revokes one of them, the name all that are left."""
    first, _ = store.new("app")
    second, _ = store.new("app")
    third, _ = store.new("app")
    assert [key.id for key in store.revoke(first.id)] == [first.id]
    assert [key.id for key in store.revoke("app")] == [second.id, third.id]
    with pytest.raises(KeyUnknown, match="no live key 'app'"):
        store.revoke("app")


@pytest.mark.parametrize("name", ["", "App", "a b", "a/b", "x" * 65, "naïve", "a\n", "0" * 32])
def test_names(store: KeyStore, name: str) -> None:
    """A name outside the grammar, or one that looks like an id, is refused and nothing is stored."""
    with pytest.raises(KeyNameInvalid):
        store.new(name)
    with pytest.raises(KeyNameInvalid):
        store.new("app", [name])
    assert store.list() == ()


def test_repr_tells_the_state(store: KeyStore, directory: KeyDirectory) -> None:
    """A directory's repr counts its live keys."""
    store.new("app")
    directory.refresh()
    assert repr(directory) == "KeyDirectory(1 live keys)"


def test_a_key_is_found_by_the_first_call_after_it_was_made(store: KeyStore, directory: KeyDirectory) -> None:
    """A worker that does not know a key looks for it before it says no."""
    clock = Ticking()
    fresh = FreshKeys(directory, clock)
    assert fresh.find(b"tt_wrong") is None
    _, secret = store.new("app")
    clock.now_ns += int(LOOK_AGAIN_S * 1e9)
    found = fresh.find(secret.encode())
    assert found is not None
    assert found.name == "app"


def test_wrong_keys_cost_one_look_in_a_while(store: KeyStore, directory: KeyDirectory) -> None:
    """Within 20 ms of a look nothing is read, so that guessing keeps no worker busy."""
    clock = Ticking()
    fresh = FreshKeys(directory, clock)
    assert fresh.find(b"tt_wrong") is None
    _, secret = store.new("app")
    assert fresh.find(secret.encode()) is None


def test_a_database_that_cannot_be_read_is_no_error_of_the_call(path: Path, directory: KeyDirectory) -> None:
    """The key is simply not known."""
    path.write_bytes(b"no database at all, but long enough to be looked at as one" * 20)
    assert FreshKeys(directory, Ticking()).find(b"tt_any") is None


def test_roles(store: KeyStore, directory: KeyDirectory) -> None:
    """A key is a client's unless it is made for more, and every reader sees what it is."""
    plain, _ = store.new("app")
    viewer, secret = store.new("ana", role="viewer")
    directory.refresh()
    found = directory.find(secret.encode())
    assert (plain.role, viewer.role, found) == ("client", "viewer", viewer)
    assert [key.role for key in store.list()] == ["client", "viewer"]
    assert [key.role for key in store.revoke("ana")] == ["viewer"]


def test_a_key_by_its_id(store: KeyStore, directory: KeyDirectory) -> None:
    """A live key is found by its id, a revoked one is not."""
    key, _ = store.new("ana", role="admin")
    directory.refresh()
    assert directory.live(key.id) == key
    store.revoke("ana")
    directory.refresh()
    assert directory.live(key.id) is None


def test_a_database_without_roles(path: Path, directory: KeyDirectory) -> None:
    """A worker that starts before control has brought an older database up to date finds its keys, all of clients."""
    with contextlib.closing(connect(path)) as connection:
        migrate(connection, path, known()[:3])
        digest = hashlib.sha256(b"tt_old").digest()
        connection.execute("INSERT INTO keys VALUES ('1', 'app', ?, '[]', 5, NULL)", (digest,))
        directory.refresh()
        assert directory.find(b"tt_old") == Key("1", "app", 5, None, (), "client")
        migrate(connection, path, known())
        directory.refresh()
        assert directory.find(b"tt_old") == Key("1", "app", 5, None, (), "client")
