import asyncio
import random
from itertools import pairwise

import pytest

from trimtab.declare.project import Model
from trimtab.errors import DeadlineConnect
from trimtab.gateway.health import Health
from trimtab.gateway.routing import Router
from trimtab.guard.outcome import Outcome

MODELS = {"small": Model("small", "s", ("http://a", "http://b"))}


class Servers:
    """Replicas that answer a GET with the status set for (url, path), 200 unless told otherwise."""

    def __init__(self):
        self.statuses = {}
        self.asked = []
        self.at_once = self.most_at_once = 0
        self.wait_s = 0.0

    async def __call__(self, model, url, path):
        self.asked.append((url, path))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.wait_s)
        finally:
            self.at_once -= 1
        status = self.statuses.get((url, path), 200)
        if isinstance(status, Exception):
            raise status
        return status


@pytest.fixture
def servers():
    return Servers()


def make(board, servers, models=MODELS):
    """Health checks on the running loop's time, and the router they follow."""
    router = Router(board, models, random.Random(1).random)
    loop = asyncio.get_running_loop()
    return Health(board, lambda: router, servers, loop.clock, random.Random(2).random), router


def healthy(board):
    now = asyncio.get_running_loop().time()
    return {view.url: view.healthy for view in board.view(now).replicas}


async def test_idle_replicas_are_checked(workers, servers):
    """Each replica that no call tells us about is asked for its health, and the board knows the answer."""
    health, _ = make(workers[0], servers)
    assert healthy(workers[1]) == {"http://a": None, "http://b": None}
    servers.statuses["http://b", "/health"] = 503
    await health.round()
    assert sorted(servers.asked) == [("http://a", "/health"), ("http://b", "/health")]
    assert healthy(workers[1]) == {"http://a": True, "http://b": False}


async def test_busy_replicas_are_left_alone(workers, servers):
    """A replica with a call under way, or that answered within the interval, is not asked."""
    health, router = make(workers[0], servers)
    a, b = router.replicas
    router.started(a, 10)
    router.started(b, 10)
    router.ended(b, 10, Outcome("ok", 200), asyncio.get_running_loop().time())
    await health.round()
    assert servers.asked == []
    await asyncio.sleep(5.1)
    await health.round()
    assert servers.asked == [("http://b", "/health")]


@pytest.mark.parametrize("status", [200, 204, 401, 403, 405], ids=lambda status: f"status {status}")
async def test_any_answer_below_500_passes(workers, servers, status):
    """A server that wants a key or another method is alive."""
    health, _ = make(workers[0], servers)
    servers.statuses["http://a", "/health"] = status
    await health.round()
    assert healthy(workers[0])["http://a"] is True


@pytest.mark.parametrize(
    "status",
    [500, 503, 0, OSError("refused"), TimeoutError(), DeadlineConnect(replica="http://a", limit_s=1)],
    ids=lambda status: str(status) or "timeout",
)
async def test_no_answer_and_500s_fail(workers, servers, status):
    """An error of the server, or none at all, is a failed check; no other check suffers from it."""
    health, _ = make(workers[0], servers)
    servers.statuses["http://a", "/health"] = status
    await health.round()
    assert healthy(workers[0]) == {"http://a": False, "http://b": True}


async def test_a_check_that_hangs_fails_after_two_seconds(workers, servers):
    """No check takes longer than 2 s."""
    health, _ = make(workers[0], servers)
    servers.wait_s = 3600
    began = asyncio.get_running_loop().time()
    await health.round()
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)
    assert healthy(workers[0]) == {"http://a": False, "http://b": False}


async def test_a_server_without_a_health_route_is_asked_for_its_models(workers, servers):
    """A 404 falls back to the list of models, which is asked directly from then on."""
    health, _ = make(workers[0], servers, {"small": Model("small", "s", ("http://a",))})
    servers.statuses["http://a", "/health"] = 404
    await health.round()
    await health.round()
    assert servers.asked == [("http://a", "/health"), ("http://a", "/v1/models"), ("http://a", "/v1/models")]
    servers.statuses["http://a", "/v1/models"] = 404
    await health.round()
    assert healthy(workers[0]) == {"http://a": True}


async def test_at_most_eight_checks_run_at_once(workers, servers):
    """Thirty idle replicas are asked eight at a time."""
    servers.wait_s = 1.0
    urls = tuple(f"http://{number}" for number in range(30))
    health, _ = make(workers[0], servers, {"small": Model("small", "s", urls)})
    await health.round()
    assert (len(servers.asked), servers.most_at_once) == (30, 8)


async def test_a_dead_idle_replica_is_held_back_and_comes_back(workers, servers):
    """A replica that was seen well and fails two checks gets no call; when it is back, a trial goes through at once."""
    health, router = make(workers[0], servers)
    now = asyncio.get_running_loop().time
    await health.round()
    servers.statuses["http://a", "/health"] = OSError("refused")
    for _ in range(2):
        assert len({router.choose(("small",), (), now()).replica for _ in range(30)}) == 2
        await asyncio.sleep(5)
        await health.round()
    for _ in range(5):
        assert {router.choose(("small",), (), now()).replica for _ in range(30)} == {"http://b"}
        await asyncio.sleep(5)
        await health.round()
    del servers.statuses["http://a", "/health"]
    await health.round()
    trial = router.choose(("small",), (), now())
    assert (trial.replica, bool(trial.trial)) == ("http://a", True)


async def test_one_worker_checks_for_all(workers, servers):
    """Of two workers one makes the rounds; when it leaves, the other takes over within its next interval."""
    others = Servers()
    first, second = make(workers[0], servers)[0], make(workers[1], others)[0]
    one, other = asyncio.create_task(first.run()), asyncio.create_task(second.run())
    await asyncio.sleep(60)
    checking, idle = (servers, others) if servers.asked else (others, servers)
    assert len(checking.asked) >= 2 * 9
    assert idle.asked == []
    (one if checking is servers else other).cancel()
    workers[0 if checking is servers else 1].close()
    await asyncio.sleep(6.1)
    assert set(idle.asked) == {("http://a", "/health"), ("http://b", "/health")}
    for task in (one, other):
        task.cancel()


async def test_intervals_are_jittered(workers, servers):
    """Rounds come every 5 s give or take 20 %, not on the beat."""
    health, _ = make(workers[0], servers, {"small": Model("small", "s", ("http://a",))})
    times = []
    plain = servers.__call__

    async def note(model, url, path):
        times.append(asyncio.get_running_loop().time())
        return await plain(model, url, path)

    health._exchange = note
    task = asyncio.create_task(health.run())
    await asyncio.sleep(300)
    task.cancel()
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert all(4.0 <= gap <= 6.0 for gap in gaps)
    assert max(gaps) - min(gaps) > 1.0


async def test_a_replica_that_left_during_its_check_is_not_told_of(workers, servers):
    """A check that ends after its replica was taken out of the snapshot leaves the board alone."""
    board = workers[0]
    routers = [Router(board, MODELS, random.random)]
    health = Health(board, lambda: routers[-1], servers, asyncio.get_running_loop().clock, random.random)
    servers.wait_s = 1.0
    servers.statuses["http://a", "/health"] = 503
    task = asyncio.create_task(health.round())
    await asyncio.sleep(0.5)
    routers.append(Router(board, {"small": Model("small", "s", ("http://b",))}, random.random))
    await task
    assert healthy(board) == {"http://b": True}
    assert Router(board, MODELS, random.random).replicas
    assert healthy(board)["http://a"] is None
