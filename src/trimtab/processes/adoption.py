"""Undeclared calls as they are shown, and the tasks proposed of them, from telemetry and the bodies that were kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from trimtab.advice.adoption import CannotPropose, propose
from trimtab.advice.seen import ClusterDetail, ClusterShown, Facts, Levels, Proposal, UndeclaredShown, cluster_id
from trimtab.errors import StoreError, TrimtabError
from trimtab.policy.snapshot import UNDECLARED, Snapshot
from trimtab.processes.adoption_read import CUT, BodiesSeen, bodies_seen, request_of, system_prompt, tools_in
from trimtab.record.events import OK, Settled
from trimtab.store.histograms import of_values
from trimtab.store.search import CallPage, CallSearch
from trimtab.store.telemetry import Telemetry
from trimtab.store.undeclared import Cluster

SAMPLE: Final = 1000
"""The latest calls that are looked at one by one."""
PAGES: Final = 5
LEAST_ID: Final = 4
"""Characters of a cluster's name that will do."""
KEPT: Final = frozenset({"full", "preview"})
SHOWN_PROMPT: Final = 200


class NoCluster(TrimtabError):
    """{detail}."""


class BodyReader(Protocol):
    """Where the bodies of calls are found."""

    def read(self, digest: str) -> bytes | None:
        """The bytes a digest stands for; None if they are not kept. Raises `StoreError`."""


class Stores(Protocol):
    """What is asked."""

    @property
    def telemetry(self) -> Telemetry:
        """The analytical store."""

    @property
    def bodies(self) -> BodyReader | None:
        """Bodies of calls."""


@dataclass(frozen=True)
class Undeclareds:
    """The undeclared calls of [since, until) in ns since 1970, under the policy in force."""

    stores: Stores
    policy: Snapshot
    since_ns: int
    until_ns: int

    def list(self) -> UndeclaredShown:
        """All clusters, those with most calls first."""
        found = self.stores.telemetry.undeclared(self.since_ns, self.until_ns)
        latest: dict[tuple[str, str], list[Settled]] = defaultdict(list)
        for call in self._page().calls:
            latest[call.admitted.system_prompt, call.admitted.tools].append(call)
        shown = tuple(self._shown(one, latest[one.system_prompt, one.tools]) for one in found.clusters)
        return UndeclaredShown(self.since_ns, self.until_ns, found.calls, self._redaction, shown)

    def detail(self, name: str) -> ClusterDetail:
        """One cluster and its proposal; raises `NoCluster`."""
        clusters, cluster = self._find(name)
        calls = self._calls_of(cluster)
        bodies = bodies_seen(calls, self._read)
        shown = self._shown(cluster, calls)
        histograms = {measure: dict(spread) for measure, spread in cluster.spreads.items()}
        proposal, refused = None, ""
        try:
            proposal = propose(cluster, self._facts(clusters, cluster, calls, bodies))
        except CannotPropose as failure:
            refused = str(failure)
        place = (self.since_ns, self.until_ns, self._redaction)
        return ClusterDetail(*place, shown, histograms, proposal, refused)

    def proposal(self, name: str, task: str = "") -> Proposal:
        """What is proposed of a cluster; raises `NoCluster` and `CannotPropose`."""
        clusters, cluster = self._find(name)
        calls = self._calls_of(cluster)
        return propose(cluster, self._facts(clusters, cluster, calls, bodies_seen(calls, self._read)), task)

    @property
    def _redaction(self) -> str:
        return self.policy.defaults.undeclared_redaction

    def _find(self, name: str) -> tuple[Sequence[Cluster], Cluster]:
        clusters = self.stores.telemetry.undeclared(self.since_ns, self.until_ns).clusters
        found = [one for one in clusters if cluster_id(one.system_prompt, one.tools).startswith(name)]
        if len(name) < LEAST_ID or not found:
            detail = f"there are no undeclared calls {name[:40]} in this window"
            raise NoCluster(detail=f"{detail}; `trimtab adopt` lists them, and --since looks further back")
        if len(found) > 1:
            raise NoCluster(detail=f"{name[:40]} begins the names of {len(found)} clusters; give all 12 digits")
        return clusters, found[0]

    def _calls_of(self, cluster: Cluster) -> Sequence[Settled]:
        """The latest calls of a cluster. An empty digest narrows no search: more pages are looked through then."""
        place = (cluster.system_prompt, cluster.tools)
        found: list[Settled] = []
        after = ""
        for _ in range(1 if all(place) else PAGES):
            page = self._page(*place, after)
            found += [one for one in page.calls if (one.admitted.system_prompt, one.admitted.tools) == place]
            after = page.after
            if not after or len(found) >= SAMPLE:
                break
        return found[:SAMPLE]

    def _page(self, prompt: str = "", tools: str = "", after: str = "") -> CallPage:
        window = (self.since_ns, self.until_ns, (UNDECLARED,))
        search = CallSearch(*window, system_prompt=prompt, tools=tools, limit=SAMPLE, after=after)
        return self.stores.telemetry.search(search)

    def _shown(self, cluster: Cluster, calls: Sequence[Settled]) -> ClusterShown:
        costs = [call.cost_pusd for call in calls if call.cost_pusd is not None]
        begins, names = self._glimpse(calls)
        return ClusterShown(
            id=cluster_id(cluster.system_prompt, cluster.tools),
            system_prompt=cluster.system_prompt,
            tools=cluster.tools,
            calls=cluster.calls,
            first_ns=cluster.first_ns,
            last_ns=cluster.last_ns,
            streamed=cluster.streamed,
            keys=dict(cluster.keys),
            asked=dict(cluster.asked),
            surfaces=dict(cluster.surfaces),
            outcomes=dict(cluster.outcomes),
            spreads={measure: Levels.of(spread) for measure, spread in cluster.spreads.items()},
            examples=cluster.examples,
            begins=begins,
            tool_names=names,
            cost_pusd=cluster.calls * sum(costs) / len(costs) if costs else None,
            priced=len(costs),
            task=self._task(cluster),
        )

    def _glimpse(self, calls: Sequence[Settled]) -> tuple[str, tuple[str, ...]]:
        """The beginning of the system prompt and the names of the tools, of the latest call, where it was kept."""
        said, _ = request_of(calls[0], self._read) if calls else (None, False)
        if said is None:
            return "", ()
        return system_prompt(said)[:SHOWN_PROMPT], tuple(tool.name for tool in tools_in(said))

    def _task(self, cluster: Cluster) -> str:
        """The task that such calls belong to by now; empty for none."""
        if cluster.system_prompt and cluster.system_prompt in self.policy.task_of_system_prompt:
            return self.policy.task_of_system_prompt[cluster.system_prompt]
        tasks = {self.policy.task_of_key.get(key, "") for key in cluster.keys}
        return next(iter(tasks)) if len(tasks) == 1 else ""

    def _facts(
        self, clusters: Sequence[Cluster], cluster: Cluster, calls: Sequence[Settled], bodies: BodiesSeen
    ) -> Facts:
        policy = self.policy
        others = [one for one in clusters if one is not cluster]
        lengths = [
            call.answer_tokens
            for call in calls
            if call.outcome == OK and call.finish_reason != CUT and call.answer_tokens is not None
        ]
        return Facts(
            since_ns=self.since_ns,
            until_ns=self.until_ns,
            models=models_of(policy, calls),
            taken=frozenset((*policy.tasks, *policy.models)),
            redaction=self._redaction,
            attempts=policy.defaults.retry.attempts,
            claimed_keys=frozenset(policy.task_of_key),
            shared_keys=frozenset(key for one in others for key in one.keys),
            siblings=sum(1 for one in others if one.system_prompt == cluster.system_prompt),
            task=self._task(cluster),
            system_prompt=bodies.system_prompt,
            complete=of_values(lengths),
            bodies=bodies.bodies,
            schemas=dict(bodies.schemas),
            answers=bodies.answers,
            tools=tuple(bodies.tools.values()) if cluster.tools else (),
        )

    def _read(self, digest: str) -> bytes | None:
        """A body, as far as the redaction in force lets it be kept."""
        if self.stores.bodies is None or self._redaction not in KEPT:
            return None
        try:
            return self.stores.bodies.read(digest)
        except StoreError:
            return None


def models_of(policy: Snapshot, calls: Sequence[Settled]) -> Mapping[str, str]:
    """The project's model for each name that can be asked for: its own, what its server calls it, what was served."""
    served = Counter(model.served_name for model in policy.models.values())
    found = {model.served_name: name for name, model in policy.models.items() if served[model.served_name] == 1}
    found |= {call.admitted.model: call.model for call in calls if call.model in policy.models}
    return found | {name: name for name in policy.models}
