"""Answers of steps held against checks: each verdict is in the log before the run goes on, and what follows from it.

Steps that checks take have labels that begin with `check NAME`, so that they are told from the program's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, Literal

import msgspec

from trimtab.declare.checking import Check, Judged, Sampled
from trimtab.journal.asks import Begun
from trimtab.journal.bindings import binding
from trimtab.journal.entries import Checked, Layer, Tried
from trimtab.journal.proposals import Background
from trimtab.runs import flow, values
from trimtab.runs.answering import answer
from trimtab.runs.declared import Declared, Request, Reviewed
from trimtab.runs.faults import CheckBranched, CheckFailed, ModelFailed, NotDeclared, Rejected
from trimtab.runs.models import Asked, Reply, reply_of
from trimtab.runs.session import Act, Place, Session, here, is_of, labelled, line_here, required
from trimtab.runs.stepping import ONCE, Call, Tries, catch_up, kept, know_before, take, task_of
from trimtab.runs.waiting import ask_person

MOST_SOURCES: Final = 1000
MOST_SOURCE_BYTES: Final = 16 << 20
"""Of what tools were given and answered that citations are looked for in, the latest first."""
JUDGE_SETTINGS: Final[dict[str, Any]] = {"temperature": 0, "max_tokens": 400}
TASK_HEADER: Final = "x-trimtab-task"
CHECK_HEADER: Final = "x-trimtab-check"

Action = Literal["", "repair", "branch", "ask", "fail", "flag"]


@dataclass(frozen=True)
class Subject:
    """A step's answer under its checks: `of` is the step's place in the log, `content` what it gave, as JSON.

    `asked` is what a model was asked, None of a function, whose `fit` raises for what it cannot give.
    """

    name: str
    label: str
    of: int
    content: bytes
    answer: Any
    arguments: Any
    asked: Asked | None = None
    fit: Callable[[bytes], Any] | None = None
    is_branched: bool = False
    tried: tuple[Tried, ...] = ()


async def checked_reply(asked: Asked, reply: Reply) -> Reply:
    """A model's answer, or what took its place; raises `CheckFailed` and `Rejected`.

    An answer that only calls tools is none yet.
    """
    place = here()
    if place is None or (reply.tool_calls and not reply.text.strip()):
        return reply
    label = labelled(place, asked.task)
    checks = await _in_force(place.session, label, asked.task, ())
    if not checks:
        return reply
    from trimtab.runs.verdicts import answer_of  # noqa: PLC0415 - most programs have no checks

    given = values.to_plain(asked.inputs)
    content = values.encode(reply.raw)
    subject = Subject(asked.task, label, _last(place), content, answer_of(reply.text), given, asked)
    held = await _hold(place.session, subject, checks)
    return reply if held is subject or held.asked is None else reply_of(held.asked.task, held.content)


async def checked_content(declared: Declared, label: str, request: Request, content: bytes) -> bytes:
    """What a function gave, as JSON, or what took its place; raises `CheckFailed` and `Rejected`."""
    place = required(declared.name)
    checks = await _in_force(place.session, label, "", declared.checks)
    if not checks:
        return content
    from trimtab.runs.verdicts import data_of  # noqa: PLC0415 - most programs have no checks

    given = msgspec.json.decode(request.content)
    of, fit = _last(place), declared.read_output
    subject = Subject(declared.name, label, of, content, data_of(content), given, fit=fit)
    return (await _hold(place.session, subject, checks)).content


async def _in_force(session: Session, label: str, task: str, own: Sequence[Check]) -> tuple[Check, ...]:
    """The checks of a step, in order; raises `NotDeclared` where two have one name."""
    declared = session.runtime.checks
    found = [*own, *(one for one in session.checks if is_of(one.after, label))]
    if declared:
        of_run = declared.get(await task_of(session), ())
        found += [one for one in of_run if one.after and is_of(one.after, label)]
        found += [one for one in declared.get(task, ()) if not one.after]
    names = Counter(one.name for one in found)
    for name, count in names.items():
        if count > 1:
            detail = f"two checks of step {label} are called so; give one of them another name"
            raise NotDeclared(name=f"check {name}", detail=detail)
    return tuple(found)


async def _hold(session: Session, subject: Subject, checks: Sequence[Check]) -> Subject:
    """The answer that stands after all checks."""
    first, used, at = subject.of, Counter[str](), 0
    while at < len(checks):
        check = checks[at]
        at += 1
        found = await _verdict(session, subject, check, used)
        match found.action if found is not None else "":
            case "repair":
                used[check.name] += 1
                subject, at = await _repaired(session, subject, check, _said(found)), 0
            case "branch":
                subject, at = await _branched(session, subject, check, _said(found)), 0
            case "ask":
                mine = await _decided(session, subject, check, _said(found))
                if mine is not subject:
                    subject, at = mine, len(checks)
                    _hold_edited(session, subject, checks)
            case "fail":
                raise CheckFailed(check=check.name, run=session.run, detail=_said(found))
    session.instead[first] = subject.answer
    return subject


def _said(found: Checked | None) -> str:
    return (found.detail if found is not None else "") or "it did not pass"


async def _verdict(session: Session, subject: Subject, check: Check, used: Counter[str]) -> Checked | None:
    """The verdict in the log, or a new one that is there now; None for a check that is newer than what has followed."""
    await know_before(session)
    place = subject.of, check.name
    with session.guard:
        number = session.checked_so_far[place]
        session.checked_so_far[place] += 1
    earlier = session.folded.verdicts[place]
    recorded = earlier[number] if number < len(earlier) else None
    if recorded is None and (session.replays or subject.of in session.folded.followed):
        return None
    if recorded is not None and check.kind not in JOURNALED:
        return recorded
    verdict = await _made(session, subject, check)
    if recorded is not None:
        return recorded
    action = "" if verdict.passed else _action(subject, check, used, unclear=verdict.unclear)
    entry = Checked(session.now_ns(), subject.of, check.name, verdict.passed, verdict.detail[:1000], action)
    if subject.of:
        await flow.ask_for(session, session.note(entry))
    return entry


JOURNALED: Final = ("judge", "samples", "python")
"""Checks that are steps of their own: they ask somebody, or run the program's code."""


def _action(subject: Subject, check: Check, used: Counter[str], *, unclear: bool) -> Action:
    """What becomes of an answer that did not pass; who is asked to mend one must know what is wrong with it."""
    action: Action = check.on_failure
    if action == "repair" and (subject.asked is None or unclear or used[check.name] >= check.repairs):
        action = check.then
    return "fail" if action == "branch" and subject.is_branched else action


async def _made(session: Session, subject: Subject, check: Check) -> Any:
    """The verdict of a check, by itself or as a step that is recorded."""
    from trimtab.runs import verdicts  # noqa: PLC0415 - most programs have no checks

    if check.schema:
        return verdicts.by_schema(check.schema, subject.answer)
    if check.rule:
        state = {name: msgspec.json.decode(content) for name, content in session.values.items()}
        facts = {"step": subject.label, "answer": subject.answer.value, "arguments": subject.arguments, "state": state}
        return verdicts.by_rule(check.rule, facts)
    if check.agrees is not None:
        await catch_up(session)
        return verdicts.by_agreement(check.agrees, subject.answer, await _answer_of(session, subject, check))
    if check.cited is not None:
        await catch_up(session)
        return verdicts.by_citations(check.cited, subject.answer, await _sources(session, subject, check.cited.tools))

    async def call(_: Begun) -> Any:
        if check.judge is not None:
            return await _judged(subject, check, check.judge)
        if check.samples is not None:
            return await _sampled(subject, check.samples)
        return await _called(subject, check)

    asked = {"check": check.name, "answer": _digest(subject)}
    found = await _step(f"check {check.name}", asked, call)
    return msgspec.json.decode(found, type=verdicts.Verdict)


async def _judged(subject: Subject, check: Check, judge: Judged) -> Any:
    from trimtab.runs import verdicts  # noqa: PLC0415 - most programs have no checks

    if subject.asked is None:
        shown: Any = {"function": subject.name, "arguments": subject.arguments}
    else:
        shown = {"inputs": subject.arguments, "messages": values.to_plain(subject.asked.messages)}
    headers = {TASK_HEADER: check.task, CHECK_HEADER: "judge"} if check.task else {}
    messages = verdicts.judge_messages(judge, shown, subject.answer)
    asked = Asked(judge.model, tuple(messages), bare=True, settings=JUDGE_SETTINGS, headers=headers)
    try:
        said = await answer(asked, f"judge {judge.model}")
    except ModelFailed as failed:
        return verdicts.Verdict(False, str(failed)[:900], unclear=True)
    return verdicts.by_word(judge, said.text)


async def _sampled(subject: Subject, samples: Sampled) -> Any:
    from trimtab.runs import verdicts  # noqa: PLC0415 - most programs have no checks

    asked = subject.asked
    if asked is None:
        return verdicts.Verdict(False, "only models are asked several times", unclear=True)

    async def one(number: int) -> str | None:
        try:
            return (await answer(asked, f"sample of {subject.name}")).text
        except ModelFailed:
            return None

    return verdicts.by_samples(samples, subject.answer, await flow.together(one, range(samples.count - 1)))


async def _called(subject: Subject, check: Check) -> Any:
    from trimtab.runs import verdicts  # noqa: PLC0415 - most programs have no checks

    function: Any = getattr(check, "function", None)
    if function is None:
        return verdicts.Verdict(False, "it says not what is held", unclear=True)
    try:
        return verdicts.by_function(check.name, await flow.called(function, (subject.answer.value,), {}))
    except Exception as failure:  # noqa: BLE001 - the program's own function may fail in any way
        return verdicts.Verdict(False, f"{type(failure).__name__}: {failure}"[:900], unclear=True)


async def _answer_of(session: Session, subject: Subject, check: Check) -> Any:
    """The latest answer of the step that a check compares with; None where there is none."""
    from trimtab.runs import verdicts  # noqa: PLC0415 - most programs have no checks

    step = check.agrees.step if check.agrees is not None else ""
    for seq, acted in reversed(session.folded.acts.items()):
        if seq == subject.of or not acted.is_done or not is_of(step, acted.label):
            continue
        if seq in session.instead:
            return session.instead[seq]
        content = await kept(session, acted.output)
        if content is None:
            return None
        if acted.kind != "model":
            return verdicts.data_of(content)
        try:
            return verdicts.answer_of(reply_of(step, content).text)
        except ModelFailed:
            return None
    return None


async def _sources(session: Session, subject: Subject, tools: Sequence[str]) -> list[Any]:
    """What these tools were given and answered, the latest first, as far as that is kept and not too much."""
    found: list[Any] = []
    left = MOST_SOURCE_BYTES
    for seq, acted in reversed(session.folded.acts.items()):
        if seq == subject.of or not any(tool == acted.tool or is_of(tool, acted.label) for tool in tools):
            continue
        source = []
        for body in (acted.input, acted.output):
            content = await kept(session, body) if body is not None and body.size <= left else None
            left -= len(content or b"")
            source.append(_json(content))
        found.append(source)
        if len(found) >= MOST_SOURCES or left <= 0:
            break
    return found


async def _repaired(session: Session, subject: Subject, check: Check, detail: str) -> Subject:
    """The model's next answer, which it gives knowing what was wrong with this one."""
    from trimtab.runs.verdicts import complaint  # noqa: PLC0415 - most programs have no checks

    before = subject.asked or Asked(subject.name)
    said = (
        {"role": "assistant", "content": subject.answer.text},
        {"role": "user", "content": complaint(check, detail)},
    )
    asked = replace(before, messages=(*before.messages, *said), prompted=before.is_prompted)
    layer: Layer = "repair" if subject.tried else "transport"
    failed = Tried(layer, f"check {check.name}", session.now_ns(), before.task, step=subject.of)
    tried = (*subject.tried, failed)
    return await _another(subject, check, "repair", replace(subject, asked=asked, tried=tried))


async def _branched(session: Session, subject: Subject, check: Check, detail: str) -> Subject:
    """What another task answers to the same; raises `CheckBranched` where none is named."""
    if not check.branch or subject.asked is None:
        raise CheckBranched(check=check.name, run=session.run, detail=detail)
    asked = replace(subject.asked, task=check.branch)
    return await _another(subject, check, "branch", replace(subject, asked=asked, is_branched=True))


async def _another(subject: Subject, check: Check, what: str, wanted: Subject) -> Subject:
    """Another answer in the place of one, as a step in which the model's is."""
    from trimtab.runs.verdicts import answer_of  # noqa: PLC0415 - most programs have no checks

    asked = wanted.asked or Asked(subject.name)

    async def call(_: Begun) -> Any:
        return (await answer(asked, subject.name)).raw

    request = {"check": check.name, "answer": _digest(subject), "attempt": len(wanted.tried)}
    content = await _step(f"check {check.name}: {what}", request, call, Tries(before=wanted.tried))
    text = reply_of(asked.task, content).text
    return replace(wanted, of=_last(required("a check")), content=content, answer=answer_of(text))


async def _decided(session: Session, subject: Subject, check: Check, detail: str) -> Subject:
    """The answer, if a person lets it pass, or what they made of it; raises `Rejected`."""
    place = required("a check")
    label, name = labelled(place, f"check {check.name}: review"), f"answer of {subject.label}"
    proposed = values.encode(subject.answer.value)
    reason = f"check {check.name}: {detail}"
    request = Request.of("step", "check", label, {"answer": subject.answer.value, "reason": reason})
    otherwise: Literal["approved", "rejected"] = "approved" if check.otherwise == "approve" else "rejected"
    rule = Reviewed(reason=reason, roles=check.roles, expires_s=check.expires_s, otherwise=otherwise)
    what = f"The {name} did not pass the check {check.name}. Approved, the run goes on with it."
    evidence = (f"arguments: {values.encode(subject.arguments).decode()[:2000]}",)
    about = Background(what, evidence=evidence, schema=check.schema)
    binds = binding(name, reason, proposed, session.runtime.lock)
    said = await ask_person(place, label, name, request, proposed, binds, rule, about)
    return _edited(session, subject, said) if said["verdict"] == "edited" else subject


def _edited(session: Session, subject: Subject, said: dict[str, Any]) -> Subject:
    """The answer that a person wrote; raises `Rejected` for one that the step cannot give."""
    from trimtab.runs.verdicts import Answer, data_of  # noqa: PLC0415 - most programs have no checks

    value = said["edited"]
    content = values.encode(value)
    if subject.asked is not None:
        text = value if isinstance(value, str) else content.decode()
        raw = msgspec.json.decode(subject.content)
        raw["choices"][0]["message"]["content"] = text
        return replace(subject, content=values.encode(raw), answer=Answer(text, value))
    try:
        if subject.fit is not None:
            subject.fit(content)
    except (msgspec.ValidationError, TypeError) as unfit:
        reason = f"the edited answer does not fit: {unfit}"
        raise Rejected(by="Trimtab", label=subject.label, run=session.run, reason=reason) from unfit
    return replace(subject, content=content, answer=data_of(content))


def _hold_edited(session: Session, subject: Subject, checks: Sequence[Check]) -> None:
    """A person may overrule a check, but not the form that the program counts on; raises `Rejected`."""
    from trimtab.runs.verdicts import by_schema  # noqa: PLC0415 - most programs have no checks

    for check in checks:
        found = by_schema(check.schema, subject.answer) if check.schema else None
        if found is not None and not found.passed:
            reason = f"the edited answer does not pass check {check.name}: {found.detail}"
            raise Rejected(by="Trimtab", label=subject.label, run=session.run, reason=reason)


async def _step(name: str, asked: object, call: Call, tries: Tries = ONCE) -> bytes:
    """A step that a check takes."""
    place = required("a check")
    label = labelled(place, name)
    return await take(place, Act("check", label, Request.of("check", "check", label, asked)), call, tries)


def _last(place: Place) -> int:
    """The place in the log of the step that was taken last where this is called."""
    return line_here(required("a check"), Act("check", "check", Request("check", b"", place.label))).last


def _digest(subject: Subject) -> str:
    return sha256(values.encode(subject.answer.value)).hexdigest()


def _json(content: bytes | None) -> Any:
    try:
        return None if content is None else msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return (content or b"").decode("utf-8", "replace")
