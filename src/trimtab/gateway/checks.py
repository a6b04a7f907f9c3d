"""The checks of one call's answers: its schema, its tool calls, its repetition; and what they found, for the record.

A check never changes an answer. What it says is acted on by the relay (release, stop, refuse) and by the attempts
(ask again).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from trimtab.contracts.confidence import confidences
from trimtab.contracts.faults import MAX_PATH, cut
from trimtab.contracts.incremental import Incremental
from trimtab.contracts.reply import Reply
from trimtab.contracts.toolcalls import Toolbox, ToolChecked, ToolSpec
from trimtab.contracts.validate import Fault, complaint, verdict_of
from trimtab.declare.project import OnInvalid
from trimtab.errors import CallError, InvalidRequest, OutputInvalid, ToolCallInvalid
from trimtab.gateway.contract import Contract
from trimtab.gateway.surfaces.surface import Added, Asked, Surface
from trimtab.guard.repetition import Repetition as Detector
from trimtab.record.events import Confidence, Repetition, ToolOutcome, Verdict

MAX_FAILING = 8
MAX_OUTCOMES = 64
"""Tool calls of one call whose outcomes are recorded."""
MAX_TOLD_SCHEMA = 4096
"""A longer schema is not repeated to the model that is asked again."""
WORST: tuple[Verdict, ...] = ("", "valid", "refused", "truncated", "invalid")
DELIVERED_UNSEEN: frozenset[Verdict] = frozenset({"", "valid", "refused"})


class Unfit(Struct, frozen=True):
    """An answer that may not be delivered as it is: how the call ends if nothing is done, and what would be asked."""

    failure: CallError
    reply: Reply
    complaints: tuple[str, ...]
    repairable: bool
    """Whether the model may be asked again: a refusal or an answer that ran into its limit would only come again."""


class Checks(Struct, eq=False):
    """What is checked in the answers of one call, and what was found.

    `attempt` begins an answer; `watch` looks at its text while it comes, `judge` at the whole of it.
    """

    contract: Contract
    toolbox: Toolbox | None
    hold: bool
    verdict: Verdict = ""
    failing: tuple[str, ...] = ()
    repairs: int = 0
    tool_outcomes: list[ToolOutcome] = []
    repetition: Repetition = ""
    repetition_stopped: bool = False
    confidence: dict[str, Confidence] = {}
    unfit: Unfit | None = None
    _number: int = 0
    _incremental: Incremental | None = None
    _detector: Detector | None = None
    _text_repairs: int = 0
    _asked_again: tuple[Verdict, tuple[str, ...]] = ("", ())

    def attempt(self, number: int, *, goes_on: bool = False) -> None:
        """An attempt begins; what an earlier one's answer was is forgotten, but for its tool calls.

        One that `goes_on` with an interrupted answer is looked at for repetition as one with it.
        """
        contract = self.contract
        self._number = number
        self.verdict, self.failing, self.unfit, self.confidence = "", (), None, {}
        # What calls tools may say anything beside it, which is known only at its end.
        judged_early = contract.plan is not None and self.toolbox is None and self.on_invalid != "pass"
        self._incremental = Incremental(contract.plan) if judged_early and contract.plan is not None else None
        if not goes_on:
            self.repetition, self.repetition_stopped = "", False
            self._detector = None if contract.repetition == "off" else Detector()

    @property
    def looks_at_replies(self) -> bool:
        """Whether whole replies are needed."""
        return self.contract.validator is not None or self.toolbox is not None

    @property
    def enforces(self) -> bool:
        """Whether an answer may turn out to be one that is not delivered."""
        text = self.contract.validator is not None and self.on_invalid != "pass"
        return text or (self.toolbox is not None and self.contract.tool_calls.on_invalid != "pass")

    @property
    def flags_only(self) -> bool:
        """Whether all that is looked for is repetition, which is only noted."""
        return self.toolbox is None and self.contract.validator is None and self.contract.repetition == "flag"

    @property
    def on_invalid(self) -> OnInvalid:
        """What the task does with an answer that breaks its schema."""
        return "pass" if self.contract.output is None else self.contract.output.on_invalid

    def watch(self, added: Sequence[Added]) -> bool:
        """Looks at text that came; False if the answer should not go on: `unfit` says why, or `repetition` does.

        Only the first choice is watched while it comes: others are judged when they are whole.
        """
        for choice, text in added:
            if choice != 0:
                continue
            if self._detector is not None and not self.repetition:
                self.repetition = self._detector.feed(text)
                if self.repetition and self.contract.repetition == "stop":
                    return False
            if self._incremental is not None and not self._incremental.feed(text):
                self._impossible(self._incremental)
                return False
        return True

    def whole(self, replies: Sequence[Reply]) -> None:
        """Looks for repetition in an answer that came in one piece; it has been paid for, so nothing is stopped."""
        if self._detector is not None and replies:
            self.repetition = self._detector.feed(replies[0].text)

    def judge(self, replies: Sequence[Reply], unread: str = "") -> Unfit | None:
        """Judges an answer that is whole; what may not be delivered is in `unfit` too.

        `unread` says why the replies are not all of it, if they are not: nothing can be said of it then.
        """
        for reply in replies:
            text, calls = self._judge_text(reply), self._judge_calls(reply)
            self.unfit = self.unfit or text or calls
        if unread:
            self.too_large(unread)
        if replies:
            self._keep_confidence(replies[0])
        return self.unfit

    def may_repair(self) -> bool:
        """Whether the unfit answer is to be asked for again."""
        unfit = self.unfit
        if unfit is None or not unfit.repairable:
            return False
        output, calls = self.contract.output, self.contract.tool_calls
        if isinstance(unfit.failure, OutputInvalid):
            return output is not None and output.on_invalid == "repair" and self._text_repairs < output.repairs
        return calls.on_invalid == "repair" and self.repairs - self._text_repairs < calls.repairs

    def reask(self, surface: Surface, asked: Asked) -> Asked:
        """The request with the unfit answer and what is wrong with it."""
        unfit = self.unfit
        if unfit is None:
            return asked
        self.repairs += 1
        self._text_repairs += isinstance(unfit.failure, OutputInvalid)
        self._asked_again = self.verdict, self.failing
        return surface.reask(asked, unfit.reply, unfit.complaints)

    def not_asked_again(self) -> None:
        """The model's server refused the repair, so that the verdict on the answer stands."""
        self.verdict, self.failing = self._asked_again

    def too_large(self, detail: str) -> Unfit | None:
        """Says of an answer that cannot be checked that it may not be delivered, if what is invalid may not."""
        failure: CallError | None = None
        if self.contract.validator is not None and self.on_invalid != "pass":
            failure = OutputInvalid(task=self.contract.task, detail=detail)
        elif self.toolbox is not None and self.contract.tool_calls.on_invalid != "pass":
            failure = ToolCallInvalid(detail=detail)
        if failure is not None and self.unfit is None:
            self.unfit = Unfit(failure, Reply(), (), repairable=False)
        return self.unfit

    def _judge_text(self, reply: Reply) -> Unfit | None:
        validator = self.contract.validator
        if validator is None:
            return None
        if self.toolbox is None and reply.tool_calls:  # no tool was offered, so that these answer nothing
            reply = replace(reply, tool_calls=[])
        judged = verdict_of(reply, validator)
        if WORST.index(judged.verdict) >= WORST.index(self.verdict):
            self.verdict = judged.verdict
            self.failing = tuple(fault.place for fault in judged.faults[:MAX_FAILING])
        refused_in_text = judged.verdict == "refused" and not reply.refusal
        if self.on_invalid == "pass" or (judged.verdict in DELIVERED_UNSEEN and not refused_in_text):
            return None
        return self._unfit_text(reply, judged.verdict, judged.faults)

    def _unfit_text(self, reply: Reply, verdict: Verdict, faults: Sequence[Fault]) -> Unfit:
        if verdict == "truncated" and not reply.finish:
            detail = "it has no end: what tells how it ended is missing"
        elif verdict == "truncated":
            detail = "it ran into its limit on tokens; raise sampling.max_output_tokens or ask for less"
        elif verdict == "refused":
            detail = "the model's server filtered it"
        else:
            detail = "; ".join(told(fault.place) for fault in faults[:MAX_FAILING]) or "it is no JSON"
        failure = OutputInvalid(task=self.contract.task, detail=detail)
        return Unfit(failure, reply, (self._complaint(faults),), repairable=verdict == "invalid")

    def _complaint(self, faults: Sequence[Fault]) -> str:
        text, schema = complaint(faults), bytes(self.contract.schema)
        return text if len(schema) > MAX_TOLD_SCHEMA else f"{text}\nThe JSON Schema it has to keep: {schema.decode()}"

    def _impossible(self, incremental: Incremental) -> None:
        """No valid answer can come of what has come already, so that waiting for its end is of no use."""
        path, keyword = incremental.fault or ("", "json")
        place = f"{cut(self._masked(incremental.place()), MAX_PATH)}: {keyword}"
        what = "is no JSON from here on" if keyword == "json" else f"breaks `{keyword}` of the schema"
        fault = Fault(path.encode(errors="replace").decode(), keyword, what, place)
        self.verdict, self.failing = "invalid", (place,)
        failure = OutputInvalid(task=self.contract.task, detail=told(place))
        self.unfit = Unfit(failure, Reply(), (self._complaint((fault,)),), repairable=True)

    def _masked(self, place: Sequence[str | int]) -> str:
        """The path with `*` for every name that the schema does not have: a record holds nothing of an answer."""
        schema = bytes(self.contract.schema)
        return "".join(
            f"/{key}" if isinstance(key, int) else f"/{escaped(key)}" if quoted(key) in schema else "/*"
            for key in place
        )

    def answered_so_far(self, replies: Sequence[Reply]) -> None:
        """What had come of an answer that was stopped, so that the model is shown it when it is asked again."""
        if self.unfit is not None and replies:
            self.unfit = replace(self.unfit, reply=replace(replies[0], tool_calls=[]))

    def _judge_calls(self, reply: Reply) -> Unfit | None:
        if self.toolbox is None or not reply.tool_calls:
            return None
        checked = [self.toolbox.check(call) for call in reply.tool_calls]
        room = MAX_OUTCOMES - len(self.tool_outcomes)
        self.tool_outcomes += [ToolOutcome(one.tool, one.outcome, self._number) for one in checked[: max(0, room)]]
        bad = [one for one in checked if one.outcome != "valid"]
        if not bad or self.contract.tool_calls.on_invalid == "pass":
            return None
        detail = "; ".join(map(_said_of, bad[:MAX_FAILING]))
        complaints = tuple(map(self.toolbox.complaint_for, checked))
        cut = reply.finish == "length"
        return Unfit(ToolCallInvalid(detail=detail), reply, complaints, repairable=not cut)

    def _keep_confidence(self, reply: Reply) -> None:
        validator = self.contract.validator
        if validator is None or not reply.logprobs:
            return
        found = confidences(reply.text, reply.logprobs, validator.schema)
        self.confidence = {path: Confidence(one.mean, one.lowest, one.margin) for path, one in found.items()}


def quoted(name: str) -> bytes:
    """A name as it stands in a schema."""
    return json.dumps(name, ensure_ascii=False).encode(errors="surrogatepass")


def escaped(name: str) -> str:
    """A name as it stands in a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def told(place: str) -> str:
    """A place in words: that of the whole answer has an empty path."""
    if place == ": json":
        return "it is no JSON"
    return f"the whole{place}" if place.startswith(":") else place


def _said_of(checked: ToolChecked) -> str:
    places = ", ".join(told(fault.place) for fault in checked.faults[:MAX_FAILING])
    return f"{checked.tool}: {checked.outcome}" + (f" ({places})" if places else "")


def checks_for(contract: Contract, surface: Surface, asked: Asked) -> Checks | None:
    """The checks of a call; None where there are none to make. Raises `InvalidRequest` for tools that are no text."""
    toolbox = None
    if asked.tools or contract.tools:
        try:
            specs = [ToolSpec(tool.name, tool.schema.decode() or None) for tool in surface.offered(asked)]
        except UnicodeDecodeError as wrong:
            raise InvalidRequest(detail=f"a tool of the request is not UTF-8: {wrong.reason}") from None
        toolbox = Toolbox((*specs, *contract.tools))
    if toolbox is None and contract.validator is None and (contract.repetition == "off" or not asked.stream):
        return None
    return Checks(contract, toolbox, hold=contract.holds_text or (toolbox is not None and contract.holds_calls))
