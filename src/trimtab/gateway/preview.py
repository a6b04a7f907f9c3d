"""What would go to a task's models for a request, without asking any of them: the path of a call, up to its wire."""

from __future__ import annotations

from msgspec import Raw, Struct

from trimtab.errors import InvalidRequest
from trimtab.gateway import enforce
from trimtab.gateway.checks import checks_for
from trimtab.gateway.context import strategies
from trimtab.gateway.context.windows import ContextMemory, TaskWindow, windows
from trimtab.gateway.contract import Contract, contract_of
from trimtab.gateway.exchange import LATER, Exchange
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.http.request import Request
from trimtab.gateway.serving import form_at
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.policy.snapshot import Snapshot, TaskPolicy
from trimtab.record.events import ContextUse


class Sent(Struct, frozen=True):
    """The request to one model: our name of it, the path at its servers, and the body as JSON.

    `context` is what the task's context strategy would do. Where it would have a summary written, `body` has what
    stays beside that, and `summarised` is true.
    """

    model: str
    path: str
    body: Raw
    context: ContextUse | None = None
    summarised: bool = False


def preview(snapshot: Snapshot, task: str, body: bytes, memory: ContextMemory) -> tuple[Sent, ...]:
    """What a chat completion that asks for `task` becomes for each of its models, in the order they are tried.

    Raises `InvalidRequest` as a call would. How engines are told of a schema is as it is where nothing has proved that
    they do not keep it.
    """
    policy = snapshot.tasks[task]
    contract = contract_of(policy)
    surface = ChatCompletions()
    request = Request("POST", surface.path.encode(), surface.path, Headers(), body, 0.0, "", "1.1")
    exchange = Exchange(request, LATER, snapshot, "", 0, 0.0, surface=surface, asked=surface.read(body), task=policy)
    exchange.prompt = enforce.render_prompt(exchange)
    exchange.checks = checks_for(contract, surface, exchange.asked)
    window = windows(snapshot, {name: contract_of(one) for name, one in snapshot.tasks.items()}, memory).get(task)
    context, summarised = (None, False) if window is None else _in_context(exchange, window)
    return tuple(_sent(exchange, policy, contract, name, context, summarised) for name in policy.models)


def _sent(
    exchange: Exchange,
    policy: TaskPolicy,
    contract: Contract,
    name: str,
    context: ContextUse | None,
    summarised: bool,
) -> Sent:
    model = exchange.snapshot.models[name]
    asking = enforce.asking(exchange, contract, model, form_at(contract, model))
    return Sent(name, asking.wire.path or exchange.request.path, Raw(asking.body), context, summarised)


def _in_context(exchange: Exchange, found: TaskWindow) -> tuple[ContextUse, bool]:
    """Leaves out of the request what the strategy would; also whether a summary would take its place."""
    window, history = found.window, exchange.surface.history
    if history is None:
        raise InvalidRequest(detail="no context strategy looks at requests of this kind")
    request = window.request(history, exchange.asked, exchange.prompt)
    measured = window.measure(request, request.read())
    chosen = window.choose(request, exchange.asked, measured)
    kept = chosen.kept
    if chosen.steps is not None:
        kept = strategies.places_of(measured.items, chosen.steps, summarised=True)
    if len(kept) < len(measured.items):
        exchange.asked = history.with_messages(exchange.asked, [request.messages[place] for place in kept])
    return window.use(measured, kept), chosen.steps is not None
