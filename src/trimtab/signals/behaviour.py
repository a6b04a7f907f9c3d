"""Signals of behaviour: whether what comes back is what was meant."""

from __future__ import annotations

from typing import Final

from trimtab.signals.signal import Ratio, Series, Signal
from trimtab.store.slices import Slice

REFUSALS: Final = ("refusal", "content_filter")
"""Finish reasons by which models' APIs tell a refusal."""
ANSWERS: Final = "trimtab_contract_answers_total"
FINISHED: Final = "trimtab_finish_reasons_total"
CALLS: Final = "trimtab_calls_total"
TOOL_CALLS: Final = "trimtab_tool_calls_total"


def with_schema(one: Slice) -> int:
    """Answers that had a schema to keep and came: each has exactly one of six results."""
    return one.valid_first + one.repaired + one.rejected + one.passed_invalid + one.truncated + one.refused


def finished(one: Slice) -> int:
    """Calls of which the model told how it ended its answer."""
    return sum(one.finish_reasons.values())


def refusals(one: Slice) -> Ratio:
    """Refusals by verdict where answers have a schema, else by finish reason."""
    if with_schema(one):
        return Ratio(one.refused, with_schema(one))
    return Ratio(sum(one.finish_reasons.get(reason, 0) for reason in REFUSALS), finished(one))


PARSE_RATE: Final = Signal(
    name="parse_rate",
    family="behaviour",
    unit="share",
    better="higher",
    says="Answers valid against the task's schema at the first time of asking.",
    means="The prompt, the model or the schema changed so that the two no longer fit.",
    ratio=lambda one: Ratio(one.valid_first, with_schema(one)),
    of="answers valid at the first time",
    among="answers that had a schema to keep and came",
    series=Series(f'{ANSWERS}{{result="valid_first"}}', ANSWERS),
    facts=("answers",),
)
PARSE_RATE_AFTER_REPAIR: Final = Signal(
    name="parse_rate_after_repair",
    family="behaviour",
    unit="share",
    better="higher",
    says="Answers valid in the end, those valid only after the model was asked again among them.",
    means="If it stands while the parse rate falls, repairs hide the fault at the price of time and tokens.",
    ratio=lambda one: Ratio(one.valid_first + one.repaired, with_schema(one)),
    of="answers valid at the first time or after repair",
    among="answers that had a schema to keep and came",
    series=Series(f'{ANSWERS}{{result=~"valid_first|repaired"}}', ANSWERS),
    facts=("answers",),
)
REPAIR_SHARE: Final = Signal(
    name="repair_share",
    family="behaviour",
    unit="share",
    better="lower",
    says="How often models were asked again, for each call; never more than once each.",
    means="Answers or tool calls break their schema more often; time and tokens go into asking again.",
    ratio=lambda one: Ratio(min(one.repairs, one.calls), one.calls),
    of="times a model was asked again",
    among="calls",
    series=Series("trimtab_repairs_total", CALLS),
    facts=("answers",),
)
REFUSAL_RATE: Final = Signal(
    name="refusal_rate",
    family="behaviour",
    unit="share",
    better="lower",
    says="Answers in which the model refused, as its API tells it.",
    means="A prompt, a safety setting or the model behind a name changed; or the traffic did.",
    ratio=refusals,
    of="refusals, by verdict where there is a schema, else by finish reason",
    among="answers that had a schema to keep and came; without schemas, answers with a finish reason",
    series=Series(f'{FINISHED}{{reason=~"{"|".join(REFUSALS)}"}}', FINISHED),
    facts=("answers", "ends"),
)
CUT_SHARE: Final = Signal(
    name="cut_share",
    family="behaviour",
    unit="share",
    better="lower",
    says="Answers that ran into their limit on tokens.",
    means="Answers became longer, or the limit smaller; what is cut is lost.",
    ratio=lambda one: Ratio(min(one.cut, finished(one)), finished(one)),
    of="answers cut by the limit",
    among="answers with a finish reason",
    series=Series(f'{FINISHED}{{reason=~"length|max_tokens|max_output_tokens"}}', FINISHED),
    facts=("answers", "ends"),
)
REPETITION_SHARE: Final = Signal(
    name="repetition_share",
    family="behaviour",
    unit="share",
    better="lower",
    says="Calls whose answer fell into degenerate repetition.",
    means="Sampling, a template or a quantisation changed so that the model loops.",
    ratio=lambda one: Ratio(one.repetition, one.calls),
    of="calls with degenerate repetition",
    among="calls",
    series=Series("trimtab_repetition_total", CALLS),
    facts=("answers",),
)
TOOL_VALIDITY: Final = Signal(
    name="tool_validity",
    family="behaviour",
    unit="share",
    better="higher",
    says="Tool calls that name a tool there is, with arguments valid against its schema.",
    means="A tool's definition, the prompt or the model's chat template changed.",
    ratio=lambda one: Ratio(one.tool_outcomes.get("valid", 0), sum(one.tool_outcomes.values())),
    of="valid tool calls",
    among="tool calls in answers, those of repaired attempts among them",
    series=Series(f'{TOOL_CALLS}{{outcome="valid"}}', TOOL_CALLS),
    facts=("tools",),
)
TOOL_OUTCOMES: Final = Signal(
    name="tool_outcomes",
    family="behaviour",
    unit="share",
    better="neither",
    says="Tool calls by how they stood against the tools they could use.",
    means="Tells which fault a fall of tool validity is: no JSON, no such tool, or arguments against the schema.",
    shares=lambda one: {str(outcome): count for outcome, count in one.tool_outcomes.items()},
    of="tool calls of each outcome",
    among="tool calls in answers, those of repaired attempts among them",
    series=Series(TOOL_CALLS, by="outcome"),
    facts=("tools",),
)
TOOL_ERROR_RATE: Final = Signal(
    name="tool_error_rate",
    family="behaviour",
    unit="share",
    better="lower",
    says="Tools' answers that told of an error, as they came back with requests.",
    means="A tool or what stands behind it fails, or the model calls it wrongly in a way its schema allows.",
    ratio=lambda one: Ratio(one.tool_errors, one.tool_results),
    of="tools' answers with an error",
    among="tools' answers that came with requests for the first time",
    series=Series('trimtab_tool_results_total{result="error"}', "trimtab_tool_results_total"),
    facts=("tools",),
)
TOOLS_CHOSEN: Final = Signal(
    name="tools_chosen",
    family="behaviour",
    unit="share",
    better="neither",
    says="Tool calls by the tool that was chosen; `(unknown)` for tools that there are not.",
    means="The model decides otherwise than it did, or is asked for other things.",
    shares=lambda one: one.tools,
    of="tool calls of each tool",
    among="tool calls in answers",
    series=Series(TOOL_CALLS, by="tool"),
    facts=("tools",),
)
FINISH_REASONS: Final = Signal(
    name="finish_reasons",
    family="behaviour",
    unit="share",
    better="neither",
    says="Answers by the reason for which the model ended them.",
    means="More tool calls, more cut answers, more filtered ones: the shape of answers changed.",
    shares=lambda one: one.finish_reasons,
    of="answers of each finish reason",
    among="answers with a finish reason",
    series=Series(FINISHED, by="reason"),
    facts=("ends",),
)
OUTPUT_LENGTH: Final = Signal(
    name="output_length",
    family="behaviour",
    unit="tokens",
    better="neither",
    says="Length of the delivered answer, where the engine told it.",
    means="The model became wordier or terser: cost and latency follow, and often correctness did already.",
    spread=lambda one: one.spreads.get("output", {}),
    reads="output",
    of="output tokens of a call",
    among="calls whose engine told it",
    series=Series("trimtab_output_tokens"),
    facts=(),
)
INPUT_LENGTH: Final = Signal(
    name="input_length",
    family="behaviour",
    unit="tokens",
    better="neither",
    says="Length of what was sent to the model, cached or not.",
    means="The traffic or the context changed: measure this before blaming the model.",
    spread=lambda one: one.spreads.get("input", {}),
    reads="input",
    of="input tokens of a call",
    among="calls whose engine told it",
    facts=(),
)
REQUEST_SIZE: Final = Signal(
    name="request_size",
    family="behaviour",
    unit="bytes",
    better="neither",
    says="Size of the request's body as the client sent it.",
    means="Clients send more or less than they did.",
    spread=lambda one: one.spreads.get("request", {}),
    reads="request",
    of="bytes of a request",
    among="calls",
    facts=(),
)
PREDICTIONS: Final = Signal(
    name="predictions",
    family="behaviour",
    unit="share",
    better="neither",
    says="What answers say: the shares of each enum or boolean field's values, the distribution of each number.",
    means="The model decides otherwise, or the traffic changed: hold it against the inputs.",
    source="readings",
    reads="answer/",
    of="answers with each value of a field",
    among="answers in which the field was read",
)
CONFIDENCE: Final = Signal(
    name="confidence",
    family="behaviour",
    unit="probability",
    better="higher",
    says="Mean probability of the tokens of an answer, and of each of its fields.",
    means="A model that is less sure of the same questions often is wrong more often, before any label says so.",
    source="readings",
    reads="confidence/",
    of="mean token probability of a field",
    among="answers with log probabilities",
)
INPUTS: Final = Signal(
    name="inputs",
    family="behaviour",
    unit="share",
    better="neither",
    says="What is asked: typed inputs of the prompt, language, and the rough content of the text.",
    means="The traffic changed. An alert on answers that comes with this is a change of questions.",
    source="readings",
    reads="input",
    of="calls with each value of an input",
    among="calls in which the input was read",
)
SIGNALS: Final[tuple[Signal, ...]] = (
    *(PARSE_RATE, PARSE_RATE_AFTER_REPAIR, REPAIR_SHARE, TOOL_VALIDITY, TOOL_OUTCOMES, TOOL_ERROR_RATE, TOOLS_CHOSEN),
    *(OUTPUT_LENGTH, CUT_SHARE, REFUSAL_RATE, REPETITION_SHARE, FINISH_REASONS),
    *(PREDICTIONS, CONFIDENCE, INPUTS, INPUT_LENGTH, REQUEST_SIZE),
)
