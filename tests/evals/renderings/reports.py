"""Reports written by hand."""

from __future__ import annotations

from trimtab.evals.report import ArmReport, CaseResult, Exactly, Figure, Metric, Report, Spread

BASE = ArmReport("base", "origin/main", "sha256:" + "a1" * 32, "s1", calls=1500, failed=3, cost_usd=1.2)
CANDIDATE = ArmReport("candidate", "working tree", "sha256:" + "b2" * 32, "s2", calls=1500, cost_usd=0.9)
EXACTLY = Exactly("sha256:" + "c3" * 32, "sha256:" + "d4" * 32, 7, 5, judges={"large": "sha256:" + "e5" * 32})
EXACT = Metric(
    "exact",
    "score",
    "share",
    more_is_better=True,
    candidate=Figure(0.869, 0.84, 0.895, 300, 1500),
    base=Figure(0.931, 0.91, 0.95, 300, 1500),
    difference=Figure(-0.062, -0.084, -0.04, 300, 3000),
    margin=0.02,
    p_value=0.0001,
    decision="block",
    smallest_effect=0.0276,
    method="student",
)
LENGTH = Metric(
    "length",
    "guard",
    "tokens",
    more_is_better=False,
    candidate=Figure(146.4, 140.0, 152.0, 300, 1500),
    base=Figure(212.0, 203.0, 221.0, 300, 1500),
    difference=Figure(0.69, 0.66, 0.725, 300, 3000),
    is_ratio=True,
    method="log-delta",
)
IN_LONG = Metric(
    "exact",
    "score",
    "share",
    more_is_better=True,
    candidate=Figure(0.7, 0.6, 0.8, 40, 200),
    base=Figure(0.7, 0.6, 0.8, 40, 200),
    difference=Figure(0.0, -0.05, 0.05, 40, 400),
    margin=0.02,
    decision="inconclusive",
    slice="long",
)
BLOCKED = Report(
    "0192",
    "extract",
    0,
    CANDIDATE,
    EXACTLY,
    base=BASE,
    verdict="block",
    reasons=("exact: -6.2 points (-8.4 to -4.0); at least 4.4 points worse with 95 % confidence.",),
    changes=("prompt extract: 3 words changed",),
    metrics=(EXACT, LENGTH, IN_LONG),
    cases=(
        CaseResult("c1", "", (), 1.0, 0.0),
        CaseResult("c2", "", (), 0.4, 0.8, "flaky"),
        CaseResult("c3", "", (), 1.0, 1.0, "saturated"),
    ),
    spread=Spread(0.03, 0.01, "case"),
    duration_s=74.0,
    cost_usd=2.1,
    price='Prompt: "Be concise." added: length -31.0 % (-34.0 to -27.5).',
    notes=("3 calls of the base failed and count as no answers: deadline_gap 3.",),
)
ALONE = Report(
    "0193",
    "extract",
    0,
    CANDIDATE,
    EXACTLY,
    metrics=(Metric("exact", "score", "share", more_is_better=True, candidate=Figure(0.869, 0.84, 0.895, 300, 1500)),),
    cases=(CaseResult("c1", "", (), None, 0.0, "failing"),),
    duration_s=3.0,
)
HOSTILE_NAME = "<img src=x>|`@all` [a](http://b)\n# \x1b[31m"
HOSTILE = Report(
    "0194",
    HOSTILE_NAME,
    0,
    ArmReport("candidate", HOSTILE_NAME, HOSTILE_NAME, "s"),
    EXACTLY,
    base=ArmReport("base", HOSTILE_NAME, HOSTILE_NAME, "s"),
    verdict="inconclusive",
    reasons=(HOSTILE_NAME,),
    changes=(HOSTILE_NAME,),
    metrics=(
        Metric(HOSTILE_NAME, "score", "share", more_is_better=True, slice=HOSTILE_NAME, decision="inconclusive"),
        Metric(HOSTILE_NAME, "score", "share", more_is_better=True, decision="block"),
    ),
    cases=(CaseResult(HOSTILE_NAME, "", (), 1.0, 0.0),),
    price=HOSTILE_NAME,
    notes=(HOSTILE_NAME,),
)
