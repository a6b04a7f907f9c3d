"""Every key of a declaration, in one list: the checks for unknown keys read it, and the documentation is held to it.

`<name>` in a path stands for a name the project gives, `<measure>_p<N>` for a percentile of a measure, and `<input>`,
`<variable>`, `<file>`, `<owner>` and `<setting>` for names from elsewhere.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Key(NamedTuple):
    """One key: its path, the form of its value, what holds without it, and its meaning."""

    path: str
    form: str
    default: str
    meaning: str


REQUIRED: Final = "must be given"
"""In place of a default, where nothing holds without the key (and the table around it is given)."""

PATTERNS: Final = {
    "<name>": re.compile(r"[a-z0-9._-]{1,64}"),
    "<input>": re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}"),
    "<variable>": re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}"),
    "<file>": re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}(?:/[^/\\\x00-\x1f\x7f]{1,255}){0,7}"),
    "<owner>": re.compile(r"[^\x00-\x1f\x7f]{1,128}"),
    "<setting>": re.compile(r"[A-Za-z0-9_.-]{1,64}"),
    "<measure>_p<N>": re.compile(r"(?P<measure>ttft|tpot|gap|total)_p(?P<percent>[1-9][0-9]?(?:\.[1-9])?)"),
}

DEADLINE_MEANINGS: Final = (
    ("connect", "duration", "from the start of an attempt until a connection to the replica stands"),
    ("first_token", "duration", "from the start of an attempt until its first content (streamed answers)"),
    ("gap", "duration", "the longest silence between two pieces of content (streamed answers)"),
    ("total", "duration", "the whole call with all its attempts"),
)
DEADLINE_DEFAULTS: Final = ("5s", "120s", "60s", "none; 600s for answers that are not streamed")

ENGINE_DEFAULT: Final = "anthropic on the Anthropic wire, other on OpenAI's"
PROBE_DEFAULT: Final = "15m; off for the engine other"
METRICS_FORM: Final = "true, false, path, URL, list of URLs"
METRICS_DEFAULT: Final = "true for the engine vllm, else false"
DEPENDENCIES_DEFAULT: Final = "those of uv.lock, poetry.lock, pdm.lock, requirements.lock, requirements.txt there are"
RULE_MEANINGS: Final = (
    ("signal", "signal", REQUIRED, "what is watched; docs/signals.md lists them"),
    ("below", "limit", "none", "it should not fall below this: a share, a duration, a number"),
    ("above", "limit", "none", "it should not rise above this"),
    ("change", "down, up, any", "none", "it should not change this way from what was learned"),
    ("drift", "true, false", "false", "its distribution should stay what was learned"),
    ("burn", "true, false", "false", "the error budget of its objective should last"),
    ("window", "duration", "1h", "over which time it is held against below and above"),
    ("quantile", "above 0..1", "0.95, for times and lengths", "which quantile is meant"),
    ("field", "text", "every field", "the one field of predictions, inputs or confidence"),
    ("by", "task, model, replica, prompt", "task", "what is watched apart within a task"),
    ("smallest", "above 0..10", "by the signal", "the smallest change worth an alert: points of a share, else a part"),
    ("severity", "page, ticket", "ticket", "whether somebody is woken, or it can wait until the morning"),
    ("receivers", "list of names", "those of the owner", "who is told, of [receivers]"),
    ("off", "true, false", "false", "whether it is switched off; alone, it switches off the rule of that name"),
)
PYTHON_DEFAULT: Final = "what .python-version says"
VOLATILE_MEANING: Final = "what of a request does not make a step of a run another one"
EXPERIMENTS_MEANING: Final = (
    "whether forks with another model, sampling or prompt are served where only what is locked is"
)
KEEP_MEANING: Final = "how long runs that ended so are kept, or those of this class"
RESUME_MEANING: Final = "whether a cut stream of plain text goes on from another replica, where engines can do that"

ENVIRONMENT_MEANING: Final = (
    "where this project runs; stands on every record; `production` serves only what is locked, and is begun and left "
    "by a restart alone"
)

PROJECT_KEYS: Final = (
    Key("environment", "name", "development", ENVIRONMENT_MEANING),
    Key("gateway.listen", "host:port", "127.0.0.1:8400", "where clients reach the model gateway"),
    Key("gateway.tls.cert", "path", "none", "certificate chain the gateway serves with, PEM"),
    Key("gateway.tls.key", "path", "none", "private key of that certificate, PEM"),
    Key("gateway.workers", "1..64", "2, or the number of cores if that is less", "gateway processes"),
    Key("gateway.keys", "required, open", "required", "whether clients need a key; open only on a loopback address"),
    Key("gateway.max_header", "size", "64KiB", "largest head of a request"),
    Key("gateway.max_body", "size", "32MiB", "largest body of a request"),
    Key("gateway.max_connections", "1..1000000", "16384", "client connections that one worker holds"),
    Key("gateway.header_timeout", "duration", "10s", "time in which a request's head must arrive"),
    Key("gateway.body_timeout", "duration", "60s", "time in which a request's body must arrive"),
    Key("gateway.idle_timeout", "duration", "120s", "how long a connection may wait for its next request"),
    Key("gateway.slow_reader", "duration", "30s", "how long a client may take nothing of an answer that waits for it"),
    Key("gateway.drain", "duration", "30s", "how long open calls may go on after a stop was asked for"),
    Key("control.listen", "host:port", "127.0.0.1:8401", "where control serves /metrics and the API"),
    Key("control.tls.cert", "path", "none", "certificate chain control serves with, PEM"),
    Key("control.tls.key", "path", "none", "private key of that certificate, PEM"),
    Key("data.directory", "path", ".trimtab", "where records, state and telemetry lie"),
    Key("data.retention", "duration", "30d", "how long records are kept"),
    Key("data.fsync_interval", "duration", "50ms", "how much of the latest records a power failure may lose"),
    Key("data.reserve", "size", "64MiB", "disk space each worker holds back, to record open calls to their end"),
    Key(
        "data.spool_limit",
        "size",
        "2GiB",
        "most that may wait for telemetry; at it, calls are refused",
    ),
    Key("data.telemetry", "chdb, URL", "chdb", "the analytical store: embedded, or a ClickHouse server's URL"),
    Key("data.telemetry_password", "secret", "none", "password of the ClickHouse server's user"),
    Key("data.dead_letters", "0..1000000", "10000", "how many calls that failed for good are kept to be sent again"),
    Key("data.journal", "secret", "none", "address of the PostgreSQL that runs are kept in; SQLite without it"),
    Key("background.waiting", "1..1000000", "1000", "background calls of one key that may wait; more are refused"),
    Key("background.attempts", "1..20", "5", "tries of a background call that fails before it is a dead letter"),
    Key("background.deadline", "duration", "24h", "from the submission of a background call to its answer; at most 7d"),
    Key("background.keep", "duration", "7d, or data.retention if less", "how long the answer of one is kept"),
    Key("background.concurrency", "0..1024", "8", "background calls that one worker makes at a time"),
    Key("background.busy", "1..1000000", "32", "calls at each replica of a model from which on none is sent there"),
    Key("background.max_request", "size", "8MiB, or gateway.max_body if less", "largest background request, to 60MiB"),
    *(
        Key(f"defaults.deadline.{name}", form, default, meaning)
        for (name, form, meaning), default in zip(DEADLINE_MEANINGS, DEADLINE_DEFAULTS, strict=True)
    ),
    Key("defaults.retry.attempts", "1..10", "3", "tries of one call over all replicas and fallback models"),
    Key("defaults.retry.resume", "true, false", "true", RESUME_MEANING),
    Key("defaults.redaction", "full, preview, digest, none", "full", "what is kept of bodies of tasks that do not say"),
    Key("defaults.undeclared_redaction", "full, preview, digest, none", "digest", "the same for (undeclared) calls"),
    Key("models.<name>.model", "text", REQUIRED, "what the server calls the model"),
    Key("models.<name>.replicas", "list of URLs", REQUIRED, "base URLs of the servers, without /v1"),
    Key("models.<name>.wire", "openai, anthropic", "openai", "the wire format the servers speak"),
    Key("models.<name>.engine", "vllm, openai, anthropic, other", ENGINE_DEFAULT, "whose rules the servers follow"),
    Key("models.<name>.grammar", "auto, xgrammar, guidance", "auto", "what a vLLM constrains answers with"),
    Key("models.<name>.probe", "duration, off", PROBE_DEFAULT, "how often it is proved that schemas are enforced"),
    Key("models.<name>.revision", "text", "empty", "the revision that is served, for the record"),
    Key("models.<name>.api_key", "secret", "none", "the key that is sent to the servers"),
    Key("models.<name>.auth.kind", "bearer, azure, aws, google", "bearer", "how requests are authenticated"),
    Key(
        "models.<name>.auth.api_version",
        "label",
        "must be given for azure",
        "api-version of Azure; v1 for its newer URLs",
    ),
    Key("models.<name>.auth.region", "label", "must be given for aws", "region of the service, for aws and google"),
    Key("models.<name>.auth.service", "label", "bedrock", "name that requests are signed for, for aws"),
    Key("models.<name>.auth.profile", "text", "the environment's", "profile of the AWS credentials files, for aws"),
    Key("models.<name>.auth.project", "label", "none", "project of Vertex, for google"),
    Key("models.<name>.auth.credentials", "path", "the environment's", "credentials file, JSON, for google"),
    Key("models.<name>.ca", "path", "the system's", "certificates to verify the servers with, PEM"),
    Key("models.<name>.proxy", "URL", "none", "HTTP proxy through which the servers are reached"),
    Key("models.<name>.passthrough", "list of routes", "empty", "further routes of the server, as METHOD /path"),
    Key("models.<name>.price.input", "USD", REQUIRED, "price of uncached input tokens"),
    Key("models.<name>.price.output", "USD", REQUIRED, "price of output tokens"),
    Key("models.<name>.price.cache_read", "USD", "not priced", "price of input tokens read from a cache"),
    Key("models.<name>.price.cache_write", "USD", "not priced", "price of input tokens written to a cache"),
    Key("models.<name>.price.reasoning", "USD", "that of output", "price of output tokens spent on reasoning"),
    Key("models.<name>.price.per_tokens", "1..1000000000", "1000000", "how many tokens these prices are for"),
    Key("models.<name>.price.from", "date", "always", "the first day (UTC) on which they hold"),
    Key("models.<name>.gpu.kind", "text", REQUIRED, "the accelerator a replica runs on"),
    Key("models.<name>.gpu.count", "1..1024", REQUIRED, "how many of them one replica uses"),
    Key("models.<name>.gpu.usd_per_hour", "USD", REQUIRED, "what one of them costs an hour"),
    Key("models.<name>.retires", "date", "none", "the day on which its provider takes it away"),
    Key("models.<name>.identity", "duration, off", "off", "how often it is tested that it still is the locked model"),
    Key("models.<name>.metrics", METRICS_FORM, METRICS_DEFAULT, "where the servers' own metrics are read"),
    Key("models.<name>.metrics_every", "duration", "15s", "how often they are read, and those of exporters"),
    Key("models.<name>.exporters", "list of URLs", "empty", "DCGM exporters: one for all replicas, or one for each"),
    Key("models.<name>.served.server", "text", "empty", "the engine with its version, such as vllm==0.32.0"),
    Key("models.<name>.served.image", "image digest", "empty", "the container image it runs in, by its digest"),
    Key("models.<name>.served.flags", "list of texts", "empty", "what it was started with, in order"),
    Key("models.<name>.served.environment.<variable>", "text", "empty", "environment variables that change answers"),
    Key("models.<name>.served.hardware", "text", "empty", "what it runs on"),
    Key("models.<name>.served.dtype", "text", "empty", "number format of weights and activations"),
    Key("models.<name>.served.quantization", "text", "empty", "how weights are quantised"),
    Key("models.<name>.served.weights.<file>", "digest", "empty", "sha256 of each file of weights"),
    Key("models.<name>.served.chat_template", "project file", "none", "the chat template it renders messages with"),
    Key("models.<name>.served.tokenizer", "project file", "none", "its tokenizer.json, by which tokens are counted"),
    Key("models.<name>.served.adapter.name", "text", REQUIRED, "what was trained on top of a base model"),
    Key("models.<name>.served.adapter.base", "text", REQUIRED, "the base model"),
    Key("models.<name>.served.adapter.revision", "text", "empty", "the adapter's revision"),
    Key("models.<name>.served.adapter.trained_on", "list of data sets", "empty", "what the adapter was trained on"),
    Key("models.<name>.served.trained_on", "list of data sets", "empty", "what the model was trained on, of our data"),
    Key("retrieval.<name>.corpus", "text", REQUIRED, "the snapshot of the corpus"),
    Key("retrieval.<name>.chunker", "text", "empty", "how it was cut, with the version"),
    Key("retrieval.<name>.embedding_model", "text", "empty", "how it was embedded, with the revision"),
    Key("retrieval.<name>.index.<setting>", "text, number, true, false", "empty", "settings of the index"),
    Key("runs.volatile", "list of paths", "empty", f"{VOLATILE_MEANING}, of all tasks and of none"),
    Key("runs.experiments", "true, false", "false", EXPERIMENTS_MEANING),
    Key("runs.keep.<name>", "duration", "as long as records", f"{KEEP_MEANING}, of all tasks and of none"),
    Key("alerts.defaults", "true, false", "true", "whether the rules of docs/alerts.md hold without being written"),
    Key("alerts.receivers", "list of names", "empty", "who is told of alerts whose owner has no receivers"),
    Key("alerts.silent_after", "duration", "15m", "so long without records while calls are open is an alert"),
    Key("alerts.false_alarms_per_month", "0.01..100", "1", "how many false alarms a month each monitor may raise"),
    Key("alerts.console_url", "URL", "none", "where people reach the console, for links in what is sent"),
    *(Key(f"alerts.rules.<name>.{name}", *about) for name, *about in RULE_MEANINGS),
    Key("receivers.<name>.kind", "webhook, slack, pagerduty, email, alertmanager", REQUIRED, "how alerts are sent"),
    Key("receivers.<name>.url", "address", REQUIRED, "where they are sent; of e-mail, smtp://HOST:PORT"),
    Key("receivers.<name>.secret", "secret", "none", "signs webhooks; routing key of pagerduty; password of e-mail"),
    Key("receivers.<name>.to", "list of mail addresses", "empty", "to whom e-mail goes"),
    Key("receivers.<name>.sender", "mail address", "empty", "from whom e-mail comes"),
    Key("receivers.<name>.user", "text", "empty", "user of the mail server"),
    Key("receivers.<name>.severities", "list of page, ticket", "page, ticket", "what it is told of"),
    Key("owners.<owner>.receivers", "list of names", REQUIRED, "who is told of alerts on an owner's tasks"),
    Key("maintenance.reason", "text", REQUIRED, "why nobody is to be told"),
    Key("maintenance.begins", "time", REQUIRED, "when the window begins"),
    Key("maintenance.ends", "time", REQUIRED, "when it ends"),
    Key("maintenance.tasks", "list of names", "every task", "the tasks it holds for"),
    Key("lock.dependencies", "list of project files", DEPENDENCIES_DEFAULT, "the project's own dependency locks"),
    Key("lock.python", "text", PYTHON_DEFAULT, "the interpreter the project runs on"),
    Key("lock.warn_days", "list of 0..3650", "60, 30, 7", "how many days ahead a model's retirement is told"),
)

SCORER_MEANINGS: Final = (
    ("kind", "scorer kind", REQUIRED, "how an answer is marked"),
    ("name", "text", "what it would be in its short form", "what its marks are called"),
    ("field", "path", "the whole answer", "what of the answer's JSON is marked"),
    ("expected", "path", "the scorer's field", "with what of the case's expected answer it is compared"),
    ("pattern", "text", "none", "the regular expression of regex, the text of contains"),
    ("tolerance", "0..1000000000000", "0", "how far off a number may be"),
    ("relative", "true, false", "false", "whether the tolerance is a part of the expected number"),
    ("tool", "tool name", "every tool", "the tool whose calls are marked"),
    ("arguments", "list of paths", "every argument", "the arguments that are compared"),
    ("file", "file name, project file", "none", "the Python file of a scorer of your own"),
    ("function", "text", "none", "its function"),
    ("model", "name", "none", "the model that judges"),
    ("question", "text", "none", "what it is asked"),
    ("labels", "data set", "none", "what people said of answers, by which the judge is corrected"),
    ("critical", "true, false", "false", "whether one case that turns from right to wrong blocks"),
    ("margin", "0..1; of latency, cost up to 1000000", "evals.margin", "how much worse is still good enough"),
)
REVIEW_MEANINGS: Final = (
    ("tools", "list of tool names", "every tool that does not only read", "before which tools a person is asked"),
    ("when", "condition", "always", "on tool, effect and arguments; one that stumbles over them asks"),
    ("roles", "list of names", "operator", "who may decide: a role of keys or a higher one, or the name of a key"),
    ("receivers", "list of names", "those of the owner", "who is told when somebody is asked, of [receivers]"),
    ("expires", "duration", "never", "how long it may wait until otherwise holds"),
    ("otherwise", "reject, approve", "reject", "what holds where nobody has decided by then"),
    ("escalate.after", "duration", REQUIRED, "how long it may wait until somebody else is told"),
    ("escalate.to", "name", "the same", "the receiver who is told then"),
    ("links", "true, false", "false", "whether whoever is told may decide by a signed link, without signing in"),
)
CHECK_MEANINGS: Final = (
    ("name", "text", REQUIRED, "what its verdicts are called"),
    ("after", "text", "the task itself", "the label of the step whose answers are checked, in runs of the task"),
    ("schema", "file of the task", "none", "a JSON Schema that the answer keeps"),
    ("rule", "condition", "none", "on step, answer, arguments and state; one that stumbles over them does not pass"),
    ("agrees.with", "text", REQUIRED, "the step whose latest answer must say the same"),
    ("agrees.fields", "list of pairs of paths", REQUIRED, "what must be the same: here = there, or one path for both"),
    ("cited.in", "list of tool names", REQUIRED, "the tools in whose answers or arguments citations must stand"),
    ("cited.field", "path", "quoted and bracketed text", "where in the answer ids or passages are cited"),
    ("cited.least", "0..1000", "1", "how many must be cited"),
    ("judge.model", "name", REQUIRED, "the model that is asked whether the answer passes"),
    ("judge.question", "text", REQUIRED, "what it is asked; its answer is yes or no"),
    ("samples.count", "2..32", REQUIRED, "how many answers to the same request there are to be, this one among them"),
    ("samples.agree", "above 0..1", REQUIRED, "which share of them must say what this one says"),
    ("samples.fields", "list of paths", "the whole answer", "what of them is compared"),
    ("on_failure", "fail, flag, repair, branch, ask", "fail", "what becomes of an answer that does not pass"),
    ("repairs", "1..10", "1", "how often the model is asked again"),
    ("then", "fail, flag, branch, ask", "fail", "what becomes of an answer that repairs did not mend"),
    ("branch", "name", "CheckBranched is raised", "the task that is asked instead"),
    ("roles", "list of names", "operator", "who may decide where somebody is asked"),
    ("expires", "duration", "never", "how long that may wait until otherwise holds"),
    ("otherwise", "reject, approve", "reject", "what holds where nobody has decided by then"),
)
GUARD_MEANINGS: Final = (
    ("parse_rate", "0..1", "how many points fewer answers may keep the schema"),
    ("tool_validity", "0..1", "how many points fewer tool calls may be valid"),
    ("refusal_rate", "0..1", "how many points more answers may be refusals"),
    ("length", "0..10", "by which part answers may grow longer"),
    ("cost", "0..10", "by which part a call may cost more"),
    ("latency", "0..10", "by which part a call may take longer"),
)

INPUT_FORM: Final = "string, integer, number, boolean, array, object"
STRATEGY_FORM: Final = "full, keep_system_and_recent, token_window, summarise"

TASK_KEYS: Final = (
    Key("model", "name", REQUIRED, "the model that serves the task"),
    Key("fallback", "list of names", "empty", "models to try after it, in order"),
    Key("owner", "text", "empty", "who answers for the task"),
    Key(
        "class", "interactive, background", "interactive", "whether a person waits; for people, calls are treated alike"
    ),
    Key("match.keys", "list of names", "empty", "client keys whose calls belong to this task"),
    Key("match.system_prompt", "digest, list of digests", "empty", "sha256 of system prompts whose calls belong to it"),
    Key("sampling.temperature", "0..2", "the client's", "sampling temperature"),
    Key("sampling.top_p", "above 0..1", "the client's", "nucleus sampling"),
    Key("sampling.max_output_tokens", "1..10000000", "the client's", "most tokens of an answer"),
    Key("sampling.seed", "whole number", "the client's", "seed of the sampler"),
    Key("sampling.stop", "text, list of texts", "the client's", "where an answer ends, at most 16"),
    *(Key(f"deadline.{name}", form, f"defaults.deadline.{name}", meaning) for name, form, meaning in DEADLINE_MEANINGS),
    Key("objective.<measure>_p<N>", "duration", "none", "goal for a percentile of ttft, tpot, gap or total; N 1..99.9"),
    Key("objective.success", "0..1", "none", "goal for the share of calls that succeed"),
    Key("objective.window", "duration", "28d", "the time over which the goals are judged"),
    Key(
        "retry.attempts", "1..10", "defaults.retry.attempts", "tries of one call over all replicas and fallback models"
    ),
    Key("retry.resume", "true, false", "defaults.retry.resume", RESUME_MEANING),
    Key("redaction", "full, preview, digest, none", "defaults.redaction", "what is kept of bodies"),
    Key("output.schema", "file name", REQUIRED, "file in the task's folder with the JSON Schema of the answers"),
    Key("output.on_invalid", "repair, reject, pass", "reject", "what becomes of an answer that breaks the schema"),
    Key("output.repairs", "1..5", "1", "how often the model is asked again to repair its answer"),
    Key("output.hold", "true, false", "true with repair, else false", "whether nothing is released before it is valid"),
    Key("output.confidence", "true, false", "false", "whether token probabilities are asked for and kept by field"),
    Key("tools", "list of tool names", "empty", "tools from tools/NAME.json that the model is offered"),
    Key("tool_calls.on_invalid", "repair, reject, pass", "pass", "what becomes of an answer with an invalid tool call"),
    Key("tool_calls.repairs", "1..5", "1", "how often the model is asked again to repair its tool calls"),
    Key(
        "tool_calls.hold",
        "true, false",
        "true with repair, else false",
        "whether nothing is released before they are valid",
    ),
    Key("repetition", "off, flag, stop", "flag", "what becomes of an answer that falls into a loop"),
    Key("inputs.<input>", INPUT_FORM, "not checked", "an input of the prompt, and the type of its value"),
    Key("prompt.tuned_on", "list of data sets", "empty", "the data sets that the prompt was written against"),
    Key("context.strategy", STRATEGY_FORM, "full", "which of a long conversation's messages the model gets"),
    Key(
        "context.max_input_tokens",
        "1..10000000",
        "no limit",
        "most input tokens of a call: its messages, prompt and tools",
    ),
    Key("context.recent", "1..10000", "no limit", "how many of the latest messages are kept"),
    Key("context.model", "name", "must be given for summarise", "the model that writes summaries"),
    Key("context.summary_tokens", "1..100000", "512", "most tokens of a summary"),
    Key("retrieval", "list of names", "empty", "what the task retrieves from, of [retrieval]"),
    Key("runs.volatile", "list of paths", "empty", VOLATILE_MEANING),
    Key("runs.keep.<name>", "duration", "what the project says", KEEP_MEANING),
    *(Key(f"alerts.<name>.{name}", *about) for name, *about in RULE_MEANINGS),
    Key("completion.rule", "condition", "none", "what holds of the last call of a run whose work is done"),
    Key("completion.feedback", "text", "none", "the score of feedback that tells whether the work is done"),
    Key("completion.judge", "name", "none", "the model that is asked whether the work is done"),
    Key("completion.question", "text", "must be given with a judge", "what it is asked; its answer is yes or no"),
    Key("completion.sample", "above 0..1", "0.05", "the share of the calls that it is asked about"),
    Key("completion.quiet", "duration", "5m", "how long after its last call a run counts as over"),
    Key("completion.calls_a_day", "1..100000", "200", "most calls that it is asked about in a day"),
    *(Key(f"review.{name}", *about) for name, *about in REVIEW_MEANINGS),
    *(Key(f"check.{name}", *about) for name, *about in CHECK_MEANINGS),
    Key("review_sample.share", "above 0..1", REQUIRED, "the share of ended runs that people look at"),
    Key("review_sample.reviewers", "1..5", "1", "how many look at each, by themselves"),
    Key("review_sample.runs_a_day", "1..100000", "50", "most runs that are sampled in a day"),
    Key("review_sample.question", "text", "Did this run do what it should?", "what they are asked"),
    Key("evals.cases", "data set", "the task's cases.jsonl", "what is asked, and what should come out"),
    Key("evals.samples", "1..100", "1", "how often each case is asked"),
    Key("evals.scorers", "list of scorers", REQUIRED, "what marks the answers; the first decides"),
    *(Key(f"evals.scorers.{name}", *about) for name, *about in SCORER_MEANINGS),
    Key("evals.margin", "0..1", "0.02", "how much worse the first scorer's mean may be and still be good enough"),
    Key("evals.seed", "whole number", "1", "what all that is left to chance follows from"),
    Key("evals.concurrency", "1..256", "16", "most calls at a time"),
    Key("evals.group", "path", "each case by itself", "what of a case says which cases belong together"),
    Key("evals.slices.<name>", "condition", "empty", "cases that are judged by themselves as well"),
    *(Key(f"evals.guards.{name}", form, "not held", meaning) for name, form, meaning in GUARD_MEANINGS),
    Key("evals.alpha", "0.001..0.5", "0.05", "probability of a wrong verdict"),
    Key("evals.power", "0.5..0.99", "0.8", "probability of a verdict where the effect is the margin"),
    Key("evals.budget_usd", "USD", "no limit", "most that one evaluation may cost"),
    Key("evals.schedule.every", "duration", "1h", "how often the live system is evaluated"),
    Key("evals.schedule.cases", "1..10000", "20", "how many cases it is asked each time"),
    Key("evals.schedule.canaries", "data set", "none", "cases with known answers, one of which is asked each time"),
    Key("evals.schedule.false_alarms", "above 0..100", "0.5", "false alarms that are borne in a month"),
    Key("evals.schedule.calls_a_day", "1..1000000", "2000", "most calls that it makes in a day"),
    Key("evals.online.sample", "above 0..1", "0.01", "the share of real calls that are scored"),
    Key("evals.online.calls_a_day", "1..1000000", "1000", "most calls that are scored in a day"),
)

TOOL_KEYS: Final = (
    Key("name", "tool name", "the file's name", "what the model calls it; must be the file's name"),
    Key("description", "text", REQUIRED, "what it does, for the model; at most 10,000 characters"),
    Key("input_schema", "JSON Schema", REQUIRED, "schema of its arguments, an object"),
    Key("effect", "read, idempotent, write", "write", "what calling it twice does: nothing, the same, or more"),
    Key("output_schema", "JSON Schema", "none", "schema of what it answers"),
    Key("implementation.source", "project file", "none", "the file that is run"),
    Key("implementation.package", "text", "none", "the package that is run, as name==version"),
    Key("implementation.mcp.url", "URL", "none", "the MCP server that offers it"),
    Key("implementation.mcp.command", "list of texts", "none", "how the MCP server is started, if it has no URL"),
    Key("implementation.mcp.tool", "text", "the tool's name", "what the MCP server calls it"),
    Key("golden.arguments", "object", REQUIRED, "arguments of a call whose answer is known; for tools that only read"),
    Key("golden.answer", "any JSON", REQUIRED, "its answer"),
    Key("golden.compare", "exact, shape", "shape", "whether the answer must be this one, or have its shape"),
)

DATA_KEYS: Final = (
    Key("file", "project file", "the data is not kept here", "the data: JSON Lines (.jsonl), or any other file"),
    Key("digest", "digest", REQUIRED, "sha256 of the file"),
    Key("rows", "0..1000000000", "counted in .jsonl files", "how many rows it has"),
    Key("schema", "project file", "none", "JSON Schema that each row keeps"),
    Key("parents.name", "data set", REQUIRED, "a data set it was made from"),
    Key("parents.digest", "digest", REQUIRED, "the digest that one had at that time"),
    Key("transform", "project file", "none", "the script that made it from them"),
    Key("licence", "text", "empty", "under which terms it may be used"),
    Key("source", "text", "empty", "where it comes from"),
    Key("purpose", "cases, training, few_shot, other", "cases", "what it is for"),
    Key("source_seen", "day", "none", "when it was taken from its source, such as 2026-11-01"),
    Key("fresh_for", "duration", "none", "how long after that it is good; `trimtab data check` warns then"),
    Key("split.of", "data set", "none", "the data set that this is one side of"),
    Key("split.side", "name", "none", "which side"),
)

PROJECT_PLANNED: Final = ("budget", "keys", "stores", "tools")
TASK_PLANNED: Final = ("budget",)
"""Keys that will come with what enforces them; until then they are refused."""
