"""The rules that exist without writing any: behaviour first, then what serves it. `docs/alerts.md` lists the same ones.

Each watches only what there is: a task without a schema has no parse rate, and one without objectives burns none.
"""

from __future__ import annotations

from typing import Final

from trimtab.declare.alerting import AlertRule

PERCENTILE: Final = 0.95
AMPLIFIED: Final = 1.5
"""Attempts a call from which on somebody is told: models get half as much again as was asked."""
DEFAULTS: Final[tuple[AlertRule, ...]] = (
    AlertRule("parse_rate_falls", "parse_rate", "falls", severity="page"),
    AlertRule("tool_validity_falls", "tool_validity", "falls", severity="page"),
    AlertRule("tool_errors_rise", "tool_error_rate", "rises", severity="page"),
    AlertRule("completion_falls", "completion", "falls", severity="page"),
    AlertRule("accuracy_falls", "accuracy", "falls", severity="page"),
    AlertRule("refusals_rise", "refusal_rate", "rises", severity="page"),
    AlertRule("cut_share_rises", "cut_share", "rises"),
    AlertRule("repetition_rises", "repetition_share", "rises"),
    AlertRule("output_length_drifts", "output_length", "drifts"),
    AlertRule("predictions_drift", "predictions", "drifts"),
    AlertRule("confidence_drifts", "confidence", "drifts"),
    AlertRule("inputs_drift", "inputs", "drifts"),
    AlertRule("repairs_rise", "repair_share", "rises"),
    AlertRule("availability_burns", "availability", "burns", severity="page"),
    AlertRule("ttft_burns", "ttft", "burns", severity="page"),
    AlertRule("tpot_burns", "tpot", "burns", severity="page"),
    AlertRule("gap_burns", "longest_gap", "burns", severity="page"),
    AlertRule("total_burns", "total", "burns", severity="page"),
    AlertRule("errors_rise", "error_rate", "rises"),
    AlertRule("ttft_rises", "ttft", "rises", quantile=PERCENTILE),
    AlertRule("tpot_rises", "tpot", "rises", quantile=PERCENTILE),
    AlertRule("retries_rise", "retry_share", "rises"),
    AlertRule("fallbacks_rise", "fallback_share", "rises"),
    AlertRule("amplification_high", "amplification", "above", AMPLIFIED),
    AlertRule("cost_rises", "cost_per_call", "rises"),
    AlertRule("dead_letters_rise", "dead_letters", "rises"),
    AlertRule("records_silent", "records_silent", "happens", severity="page"),
    AlertRule("replica_down", "replica_down", "happens"),
    AlertRule("replica_restarted", "replica_restarted", "happens"),
    AlertRule("model_changed", "model_changed", "happens", severity="page"),
    AlertRule("tool_changed", "tool_changed", "happens"),
    AlertRule("evaluation_falls", "evaluation", "happens", severity="page"),
)
