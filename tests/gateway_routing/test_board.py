import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import FormatError, StoreError
from trimtab.gateway.board import Board
from trimtab.guard.breaker import Position, Votes

A = ("small", "http://a")
B = ("small", "http://b")


def replica(board, now=100.0, url="http://a"):
    (found,) = [view for view in board.view(now).replicas if view.url == url]
    return found


def test_all_workers_see_the_load_of_all(workers):
    """Calls and tokens in flight add up over the rows, and are taken back as they were counted."""
    first, second = workers
    (column,) = first.columns([A])
    assert second.columns([A]) == [column]
    first.acquire(column, 100)
    first.acquire(column, 50)
    second.acquire(column, 7)
    assert (first.in_flight(column), second.outstanding_tokens(column)) == (3, 157)
    first.release(column, 50)
    assert (second.in_flight(column), first.outstanding_tokens(column)) == (2, 107)


def test_a_column_belongs_to_model_and_url(workers):
    """The same URL under another model is another replica, and order does not matter."""
    first, second = workers
    a, b, other = first.columns([A, B, ("large", "http://a")])
    assert len({a, b, other}) == 3
    assert second.columns([("large", "http://a"), B, A]) == [other, b, a]


def test_a_new_snapshot_does_not_confuse_replicas(workers):
    """Replicas that stay keep column, load and breaker when others come and go around them."""
    first, _ = workers
    a, b = first.columns([A, B])
    first.acquire(b, 10)
    for _ in range(5):
        first.failed(b, 100.0, trial=False)
    fresh, kept = first.columns([("small", "http://new"), B])
    assert kept == b
    assert fresh not in (a, b)
    assert first.outstanding_tokens(kept) == 10
    assert not first.closed(kept)
    assert first.closed(fresh)


def test_columns_are_given_to_others_only_when_unused(path):
    """Named or busy columns stay; when all are in use a new replica is refused, with what to do."""
    board = Board.open(path, 0, "g0-aaa")
    names = [("m", f"http://{number}") for number in range(64)]
    columns = board.columns(names)
    with pytest.raises(StoreError, match="all 64 places for replicas are in use; restart"):
        board.columns([*names, A])
    board.acquire(columns[0], 5)
    for _ in range(5):
        board.failed(columns[1], 100.0, trial=False)
    (given_away,) = board.columns([A])
    assert given_away != columns[0], "a call is under way there"
    assert board.closed(given_away)
    assert board.columns([A, *names[:1]]) == [given_away, columns[0]]
    board.close()


def test_one_worker_opens_the_breaker_for_all(workers):
    """Five failures in a row open it, whichever workers saw them."""
    first, second = workers
    (column,) = first.columns([A])
    for board, at in ((first, 1.0), (second, 2.0), (first, 3.0), (second, 4.0)):
        board.failed(column, at, trial=False)
        assert board.closed(column)
    first.failed(column, 5.0, trial=False)
    assert not second.closed(column)
    assert second.position(column) == Position(1, 5.0)
    assert second.trial_at(column, 6.0) == 10.0


def test_a_success_anywhere_ends_the_row(workers):
    """A success that any worker saw makes the failures before it count no more as in a row."""
    first, second = workers
    (column,) = first.columns([A])
    for at in (101.0, 102.0, 103.0, 104.0):
        first.failed(column, at, trial=False)
    second.worked(column, 104.5, trial=False)
    first.failed(column, 105.0, trial=False)
    assert first.closed(column)
    assert first.votes(column, 105.0) == Votes(in_a_row=1, failures=5, total=6)


def test_the_window_slides(workers):
    """Votes are forgotten after 30 s, in steps of 3 s."""
    first, second = workers
    (column,) = first.columns([A])
    first.failed(column, 100.0, trial=False)
    second.worked(column, 110.0, trial=False)
    assert first.votes(column, 110.0)[1:] == (1, 2)
    assert first.votes(column, 125.0)[1:] == (1, 2)
    assert first.votes(column, 131.0)[1:] == (0, 1)
    assert first.votes(column, 145.0)[1:] == (0, 0)


def test_a_failure_rate_opens(workers):
    """Ten votes of which half failed open the breaker, without five failures in a row."""
    first, second = workers
    (column,) = first.columns([A])
    for number in range(5):
        second.worked(column, 100 + number / 10, trial=False)
        assert first.closed(column)
        first.failed(column, 100.05 + number / 10, trial=False)
    assert not first.closed(column)


def test_a_closing_forgets_what_led_to_the_opening(workers):
    """After a good trial the window starts anew: one more failure does not open the breaker again."""
    first, _ = workers
    (column,) = first.columns([A])
    for number in range(20):
        first.failed(column, 100 + number / 100, trial=False)
    first.worked(column, 106.0, trial=True)
    assert first.closed(column)
    first.failed(column, 109.5, trial=False)
    assert first.closed(column)
    assert first.votes(column, 109.5) == Votes(in_a_row=1, failures=1, total=1)


def test_one_trial_for_all_workers(workers):
    """Of two workers one gets the trial; when it gives it back the other may take it."""
    first, second = workers
    (column,) = first.columns([A])
    for _ in range(5):
        first.failed(column, 100.0, trial=False)
    assert first.claim_trial(column, 104.9) == 0, "it is open, not half-open"
    number = first.claim_trial(column, 105.0)
    assert first.holds_trial(column, number)
    assert (first.claim_trial(column, 105.0), second.claim_trial(column, 105.0)) == (0, 0)
    assert not second.trial_free(column, 105.0)
    first.free_trial(column)
    assert second.trial_free(column, 105.0)
    assert second.claim_trial(column, 105.0)
    second.free_trial(column)


def test_a_failed_trial_doubles_the_open_time(workers):
    """The next trial comes 10 s after the failed one."""
    first, second = workers
    (column,) = first.columns([A])
    for _ in range(5):
        first.failed(column, 100.0, trial=False)
    second.failed(column, 106.0, trial=True)
    assert first.trial_at(column, 107.0) == 116.0
    assert replica(first).openings == 2


def test_checks_are_shared(workers):
    """What one worker's checks found holds a replica back for all, and a recovery frees its trial at once."""
    first, second = workers
    (column,) = first.columns([A])
    first.checked(column, 90.0, passed=True)
    first.checked(column, 95.0, passed=False)
    assert second.closed(column)
    second.checked(column, 100.0, passed=False)
    assert not first.closed(column)
    assert first.trial_at(column, 101.0) == 160.0
    first.checked(column, 102.0, passed=True)
    assert second.trial_at(column, 102.5) == 102.0


def test_a_replica_that_was_never_seen_well_is_not_opened_by_checks(workers):
    """Failing checks of a server without a health route say nothing."""
    first, _ = workers
    (column,) = first.columns([A])
    for at in range(10):
        first.checked(column, 100.0 + at, passed=False)
    assert first.closed(column)


def test_busy_is_in_flight_or_answered_lately(workers):
    """A call under way or a success within the time asked makes a replica busy."""
    first, second = workers
    (column,) = first.columns([A])
    assert not first.busy_since(column, 100.0, 5.0)
    second.acquire(column, 1)
    assert first.busy_since(column, 100.0, 5.0)
    second.release(column, 1)
    second.worked(column, 100.0, trial=False)
    assert first.busy_since(column, 105.0, 5.0)
    assert not first.busy_since(column, 105.1, 5.0)


def test_the_view_tells_all(workers):
    """Workers with their heartbeats and replicas with load, votes and breaker are seen by one who only watches."""
    first, second = workers
    (column,) = first.columns([A])
    first.heartbeat(99.0, open_calls=3, open_connections=8, draining=True)
    first.acquire(column, 40)
    for _ in range(5):
        second.failed(column, 100.0, trial=False)
    watcher = Board.watch(first.path)
    view = watcher.view(101.0)
    watcher.close()
    assert [(worker.slot, worker.epoch, worker.pid) for worker in view.workers] == [
        (0, "g0-aaa", os.getpid()),
        (1, "g1-bbb", os.getpid()),
    ]
    worker = view.workers[0]
    assert (worker.heartbeat_age_s, worker.open_calls, worker.open_connections, worker.draining) == (2.0, 3, 8, True)
    assert view.workers[1].heartbeat_age_s is None
    (seen,) = view.replicas
    assert (seen.model, seen.url, seen.state, seen.in_flight, seen.outstanding_tokens) == (
        "small",
        "http://a",
        "open",
        1,
        40,
    )
    assert (seen.openings, seen.retry_in_s, seen.healthy) == (1, 4.0, None)
    assert (seen.failures_in_a_row, seen.window_failures, seen.window_votes) == (5, 5, 5)


def test_a_left_row_counts_no_more(path):
    """A worker that closes takes its load along and leaves what it learnt of the replicas."""
    first, second = Board.open(path, 0, "g0-aaa"), Board.open(path, 1, "g1-bbb")
    (column,) = first.columns([A])
    second.columns([A])
    first.acquire(column, 100)
    for _ in range(5):
        first.failed(column, 100.0, trial=False)
    first.close()
    assert second.in_flight(column) == 0
    assert not second.closed(column)
    assert [worker.slot for worker in second.view(100.0).workers] == [1]
    second.close()


def test_every_slot_has_room_for_a_draining_predecessor(path):
    """Six workers fit on a board for two slots; the seventh is refused."""
    boards = [Board.open(path, number % 2, f"g-{number}") for number in range(6)]
    with pytest.raises(StoreError, match="all 6 rows"):
        Board.open(path, 0, "g-7")
    boards.pop().close()
    boards.append(Board.open(path, 0, "g-7"))
    for board in boards:
        board.close()


def test_who_only_watches_writes_nothing(path):
    """A watcher that tries to count a call is told so, and the board stays as it was."""
    watcher = Board.watch(path)
    for write in (
        lambda: watcher.acquire(0, 1),
        lambda: watcher.columns([A]),
        lambda: watcher.heartbeat(1.0, 0, 0, False),
    ):
        with pytest.raises(StoreError, match="only watches"):
            write()
    assert repr(watcher) == "Board(board, watching of 6, 64 columns)"
    watcher.close()


def test_a_board_is_private_and_replaced_whole(path):
    """The file is for its owner only, and a new board does not disturb those who still map the old one."""
    assert path.stat().st_mode & 0o777 == 0o600
    board = Board.open(path, 0, "g0-aaa")
    (column,) = board.columns([A])
    board.acquire(column, 5)
    Board.create(path, slots=4, replicas=100)
    assert board.outstanding_tokens(column) == 5
    fresh = Board.watch(path)
    assert repr(fresh) == "Board(board, watching of 10, 400 columns)"
    fresh.close()
    board.close()


@given(st.binary(max_size=8192))
def test_what_is_no_board_is_refused(tmp_path_factory, data):
    """Any other file gives a typed error that names it."""
    path = tmp_path_factory.mktemp("board") / "board"
    path.write_bytes(data)
    with pytest.raises(FormatError, match="board"):
        Board.watch(path)


@given(st.integers(-1, 8), st.integers(-1, 200), st.integers(0, 2))
def test_a_header_that_lies_is_refused(tmp_path_factory, rows, columns, version):
    """Rows, columns or a version that do not fit the file's size are found out before anything is read."""
    path = tmp_path_factory.mktemp("board") / "board"
    Board.create(path, slots=2, replicas=3)
    honest = (version, rows, columns) == (2, 6, 64)
    with path.open("r+b") as file:
        file.seek(8)
        file.write(struct.pack("=qqq", version, rows, columns))
    if honest:
        Board.watch(path).close()
        return
    with pytest.raises(FormatError):
        Board.watch(path)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["fail", "work"]), st.integers(0, 4_000_000)), max_size=60)
)
def test_shared_votes_never_count_more_than_happened(tmp_path_factory, events):
    """Failures in a row and within the window are never more than really were, whoever saw them and when."""
    path = tmp_path_factory.mktemp("board") / "board"
    Board.create(path, slots=2, replicas=1)
    boards = [Board.open(path, slot, f"g{slot}-x") for slot in (0, 1)]
    (column,) = boards[0].columns([A])
    boards[1].columns([A])
    now_us, history = 1_000_000_000, []
    for worker, kind, wait_us in events:
        now_us += wait_us
        history.append((now_us, kind))
        act = boards[worker].failed if kind == "fail" else boards[worker].worked
        act(column, now_us / 1e6, trial=False)
        if not boards[0].closed(column):
            break
        seen = boards[1 - worker].votes(column, now_us / 1e6)
        in_a_row = 0
        for _, was in reversed(history):
            if was == "work":
                break
            in_a_row += 1
        window = [was for at, was in history if at > now_us - 30_000_000]
        assert seen.in_a_row <= in_a_row
        assert seen.failures <= window.count("fail")
        assert seen.total <= len(window)
        assert seen.total >= len([was for at, was in history if at > now_us - 27_000_000])
    for board in boards:
        board.close()
