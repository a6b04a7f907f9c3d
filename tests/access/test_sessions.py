"""Sessions at the console: what is stored, how they end, and how many there are."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from trimtab.access import sessions
from trimtab.access.keys import Key, KeyStore
from trimtab.access.sessions import LASTS_S, SessionStore, form_token
from trimtab.database.migrate import open_state
from trimtab.ids import IdSource
from trimtab.testing import JumpingClock


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


class Scene:
    """A database with one key, and its sessions."""

    def __init__(self, path: Path, clock: JumpingClock) -> None:
        self.connection = open_state(path)
        self.clock = clock
        self.keys = KeyStore(self.connection, clock, IdSource(seed=1))
        self.ana, _ = self.keys.new("ana", role="viewer")
        self.store = SessionStore(self.connection, clock)

    def opened_again(self) -> SessionStore:
        return SessionStore(self.connection, self.clock)


@pytest.fixture
def scene(tmp_path: Path, clock: JumpingClock) -> Iterator[Scene]:
    made = Scene(tmp_path / "state.db", clock)
    with contextlib.closing(made.connection):
        yield made


def test_a_session_is_found_by_its_token(scene: Scene) -> None:
    """A token stands for the key's id until it ends, also after control started again; another token for nothing."""
    token = scene.store.begin(scene.ana)
    for store in (scene.store, scene.opened_again()):
        found = store.find(token)
        assert found is not None
        assert (found.key, found.ends_ns - found.began_ns) == (scene.ana.id, 12 * 3600 * 10**9)
        assert store.find(token[:-1]) is None
        assert store.find("") is None
        assert store.find("\udcff") is None


def test_a_session_ends_by_itself(scene: Scene) -> None:
    """After twelve hours a session is no more, here and after a restart."""
    token = scene.store.begin(scene.ana)
    scene.clock.advance(LASTS_S - 1)
    assert scene.store.find(token) is not None
    scene.clock.advance(1)
    assert scene.opened_again().find(token) is None
    assert scene.store.find(token) is None


def test_signing_out(scene: Scene) -> None:
    """An ended session stays ended after a restart; ending it twice is no error."""
    token = scene.store.begin(scene.ana)
    scene.store.end(token)
    scene.store.end(token)
    assert scene.store.find(token) is None
    assert scene.opened_again().find(token) is None


def test_the_token_is_nowhere_on_disk(scene: Scene, tmp_path: Path) -> None:
    """The database holds the sha256 of a token and never the token."""
    token = scene.store.begin(scene.ana)
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert token.encode() not in content
    assert hashlib.sha256(token.encode()).digest() in content


def test_sessions_are_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the most there may be, the session begun first ends, on disk too."""
    monkeypatch.setattr(sessions, "MOST", 2)
    tokens = [scene.store.begin(scene.ana) for _ in range(3)]
    for store in (scene.store, scene.opened_again()):
        assert [store.find(token) is not None for token in tokens] == [False, True, True]


def test_one_key_ends_no_session_of_another(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who signs in again and again ends sessions of that key alone, on disk too."""
    monkeypatch.setattr(sessions, "MOST", 4)
    monkeypatch.setattr(sessions, "MOST_OF_A_KEY", 2)
    ben, _ = scene.keys.new("ben", role="admin")
    kept = scene.store.begin(ben)
    tokens = [scene.store.begin(scene.ana) for _ in range(5)]
    for store in (scene.store, scene.opened_again()):
        assert store.find(kept) is not None
        assert [store.find(token) is not None for token in tokens] == [False, False, False, True, True]


def test_ended_sessions_are_swept(scene: Scene) -> None:
    """What has ended leaves the database when the next one begins."""
    scene.store.begin(scene.ana)
    scene.clock.advance(LASTS_S)
    scene.store.begin(scene.ana)
    assert scene.connection.execute("SELECT count(*) FROM sessions").fetchone() == (1,)


def test_form_tokens_belong_to_one_session() -> None:
    """The same session has the same form token, another one another, and it does not tell the session's own."""
    assert form_token("a") == form_token("a") != form_token("b")
    assert "a" * 43 not in form_token("a" * 43)


def test_repr_tells_the_state(scene: Scene) -> None:
    """A store's repr counts its open sessions."""
    scene.store.begin(Key(scene.ana.id, "ana", 1))
    assert repr(scene.store) == "SessionStore(1 open)"
