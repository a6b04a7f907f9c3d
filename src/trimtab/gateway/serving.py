"""What a gateway is built from, and one snapshot made ready to serve under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trimtab.clock import Clock
from trimtab.contracts.classify import classify
from trimtab.declare.project import Engine, Model
from trimtab.gateway import enforce, replies
from trimtab.gateway.admission import Admission, FindKey
from trimtab.gateway.context.windows import ContextMemory, windows
from trimtab.gateway.contract import UNDECLARED_CONTRACT, Contract, contracts
from trimtab.gateway.routing import Choice, Router
from trimtab.gateway.runs.recorded_runs import Asking
from trimtab.gateway.surfaces.surface import SchemaForm
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.pool import Pool
from trimtab.gateway.upstreams.signers import Signers
from trimtab.ids import IdSource
from trimtab.policy.snapshot import Snapshot, TaskPolicy
from trimtab.record.bodies import Bodies
from trimtab.record.recorder import Recorder

FORMS: dict[Engine, SchemaForm] = {
    "vllm": "structured_outputs",
    "openai": "response_format",
    "anthropic": "output_config",
}


@dataclass(frozen=True)
class Parts:
    """What a pipeline is built from; `router` makes one for a snapshot over the shared board, `router_beside` one for a
    snapshot that is served beside that in force. Without a `journal` calls of runs are calls as any, and nothing can be
    replayed.
    """

    clock: Clock
    ids: IdSource
    random: Callable[[], float]
    recorder: Recorder
    bodies: Bodies
    pool: Pool
    router: Callable[[Snapshot], Router]
    find_key: FindKey
    signers: Signers
    worker: str
    context: ContextMemory
    operator_key: bytes = b""
    beside: Callable[[Snapshot], Router] | None = None
    journal: Asking | None = None

    def router_beside(self, snapshot: Snapshot) -> Router:
        """A router that health checks do not follow."""
        return (self.beside or self.router)(snapshot)


def form_at(contract: Contract, model: Model) -> SchemaForm | None:
    """How a model's engine is told of a task's schema; None where there is none, or the engine would refuse it."""
    if contract.validator is None or not classify(contract.validator.schema, model.engine, model.grammar).sent:
        return None
    return FORMS.get(model.engine)


class Serving:
    """One snapshot made ready to serve under; a call keeps the one it began with.

    `also` is another one that is served beside it, whose models need their credentials and tokenizers too.
    """

    def __init__(self, snapshot: Snapshot, parts: Parts, also: Snapshot | None = None) -> None:
        self.snapshot = snapshot
        self.admission = Admission(snapshot, parts.find_key, parts.worker, parts.operator_key)
        self.router = parts.router(snapshot) if also is None else parts.router_beside(snapshot)
        self._contracts = contracts(snapshot)
        models = (*snapshot.models.values(), *(also.models.values() if also is not None else ()))
        parts.context.tokenizers.serve(models)
        self.windows = windows(snapshot, self._contracts, parts.context)
        self._forms = {
            (task.name, name): form
            for task in snapshot.tasks.values()
            for name in task.models
            if (form := form_at(self._contracts[task.name], snapshot.models[name])) is not None
        }
        self.models_list = replies.models_list(snapshot)
        self.anthropic_models_list = replies.anthropic_models_list(snapshot)
        self._signers = parts.signers
        self._signers.serve(models)
        self.targets = {
            (model.name, url): self._target(model, url) for model in snapshot.models.values() for url in model.replicas
        }

    def contract(self, task: str) -> Contract:
        """What the answers of a task must keep."""
        return self._contracts.get(task, UNDECLARED_CONTRACT)

    def schema_form(self, task: TaskPolicy, choice: Choice) -> SchemaForm | None:
        """How the engine of the chosen model is told of the task's schema; None where it would refuse it."""
        return self._forms.get((task.name, choice.model))

    def target(self, choice: Choice) -> enforce.Target:
        """The chosen replica; one that came with a later snapshot is made as it is needed."""
        place = choice.model, choice.replica
        found = self.targets.get(place)
        if found is None:
            found = self.targets[place] = self._target(self.snapshot.models[choice.model], choice.replica)
        return found

    def _target(self, model: Model, url: str) -> enforce.Target:
        origin = Origin.parse(url, ca=model.ca, proxy=model.proxy)
        return enforce.Target(model, origin, self._signers.signer(model, origin))
