"""Each rule on what is declared of alerts: the line it is found on, what is said to be wrong, what to write instead.

In the texts, `#!` ends the line on which the one mistake must be reported.
"""

from pathlib import Path

import pytest

from tests.declare.projects import MODEL, TASK, marked, write
from trimtab.declare.alert_defaults import DEFAULTS
from trimtab.declare.alerting import Address, AlertRule, Maintenance, Receiver
from trimtab.declare.load import load, read

HOOK = '[receivers.oncall]\nkind = "webhook"\nurl = "https://hooks.example.com/a"\n'


def rule(text: str) -> str:
    return f"{TASK}[alerts.mine]\n{text}"


RULES = {
    "no signal": (f"{TASK}[alerts.mine] #!\nbelow = 0.9", "alerts.mine has no `signal`", 'signal = "parse_rate"'),
    "unknown signal": (
        rule('signal = "parse_rat" #!\nbelow = 0.9'),
        'alerts.mine.signal is "parse_rat", not a signal',
        "did you mean parse_rate?",
    ),
    "a signal of nothing": (rule('signal = "zzz" #!'), '"zzz", not a signal', "write one of accuracy"),
    "no comparison": (
        f'{TASK}[alerts.mine] #!\nsignal = "parse_rate"',
        "the rule mine compares its signal with nothing",
        'write above = ..., below = ... or change = "down"',
    ),
    "two comparisons": (
        rule('signal = "parse_rate"\nbelow = 0.9\nchange = "down" #!'),
        "alerts.mine.change stands beside below",
        "keep one of them, or write two rules",
    ),
    "a comparison that does not suit": (
        rule('signal = "predictions"\nbelow = 0.9 #!'),
        "alerts.mine.below does not suit the signal predictions",
        "write drift = true",
    ),
    "an event of the whole project": (
        rule('signal = "replica_down" #!'),
        "the signal replica_down is of the whole project",
        "write [alerts.rules.mine] in trimtab.toml",
    ),
    "a share as a duration": (
        rule('signal = "parse_rate"\nbelow = "1s" #!'),
        'alerts.mine.below is "1s", not a number',
        "without quotes",
    ),
    "a share above 1": (
        rule('signal = "parse_rate"\nbelow = 97 #!'),
        "alerts.mine.below is 97, not a number from 0 to 1",
        "bounds",
    ),
    "a time as a number": (rule('signal = "ttft"\nabove = 2 #!'), "alerts.mine.above is 2, not a duration", "s, m, h"),
    "change": (
        rule('signal = "parse_rate"\nchange = "fall" #!'),
        'alerts.mine.change is "fall"',
        'write "any", "down" or "up"',
    ),
    "drift": (rule('signal = "ttft"\ndrift = 1 #!\nabove = "1s"'), "alerts.mine.drift is 1", "true or false"),
    "burn without an objective": (
        rule('signal = "availability"\nburn = true #!'),
        "the task has no objective for availability that could be burnt",
        "write objective.success = 0.995",
    ),
    "burn of a time without its objective": (
        'objective.total_p99 = "9s"\n' + rule('signal = "longest_gap"\nburn = true #!'),
        "the task has no objective for longest_gap",
        'write objective.gap_p95 = "2s"',
    ),
    "window without a limit": (
        rule('signal = "parse_rate"\nchange = "down"\nwindow = "1h" #!'),
        "alerts.mine.window is for below and above alone",
        "take it out",
    ),
    "window too short": (
        rule('signal = "parse_rate"\nbelow = 0.9\nwindow = "10s" #!'),
        'alerts.mine.window is "10s", which is out of bounds',
        "write from 300s",
    ),
    "quantile of a share": (
        rule('signal = "parse_rate"\nbelow = 0.9\nquantile = 0.5 #!'),
        "alerts.mine.quantile has no use here",
        "for limits on and changes of times and lengths",
    ),
    "quantile of 1": (
        rule('signal = "ttft"\nabove = "1s"\nquantile = 1 #!'),
        "alerts.mine.quantile is 1",
        "write a number below 1",
    ),
    "field of a share": (
        rule('signal = "parse_rate"\nbelow = 0.9\nfield = "answer/label" #!'),
        "alerts.mine.field has no use with the signal parse_rate",
        "it is for confidence, inputs or predictions",
    ),
    "by replica of readings": (
        rule('signal = "predictions"\ndrift = true\nby = "replica" #!'),
        "readings are not kept by replica",
        "write model or prompt",
    ),
    "unknown by": (
        rule('signal = "parse_rate"\nbelow = 0.9\nby = "models" #!'),
        'alerts.mine.by is "models"',
        'write "model"',
    ),
    "smallest with a limit": (
        rule('signal = "parse_rate"\nbelow = 0.9\nsmallest = 0.02 #!'),
        "alerts.mine.smallest is for change and drift alone",
        "take it out",
    ),
    "smallest share of 1": (
        rule('signal = "parse_rate"\nchange = "down"\nsmallest = 2 #!'),
        "alerts.mine.smallest is 1 or more",
        "such as 0.02",
    ),
    "severity": (
        rule('signal = "parse_rate"\nbelow = 0.9\nseverity = "pager" #!'),
        'alerts.mine.severity is "pager"',
        'write "page"',
    ),
    "unknown receiver": (
        rule('signal = "parse_rate"\nbelow = 0.9\nreceivers = [\n"oncal"] #!'),
        'there is no receiver "oncal"',
        "did you mean oncall?",
    ),
    "off of nothing": (
        f"{TASK}[alerts.parse_rate_fals] #!\noff = true",
        'there is no rule "parse_rate_fals" to be switched off',
        "did you mean parse_rate_falls?",
    ),
    "name": (f'{TASK}[alerts."My rule"] #!\nsignal = "ttft"', "has a name that cannot be used", "a-z 0-9"),
}


@pytest.mark.parametrize(("task", "what", "instead"), RULES.values(), ids=RULES)
def test_rules_of_tasks(tmp_path: Path, task: str, what: str, instead: str) -> None:
    """One mistake at its line, with what to write instead."""
    [mistake] = read(write(tmp_path, MODEL + HOOK, triage=task)).mistakes
    assert (mistake.path, mistake.line) == ("tasks/triage/task.toml", marked(task))
    assert what in mistake.what
    assert instead in mistake.instead


SLACK = '[receivers.team]\nkind = "slack"\n'
MAIL = '[receivers.team]\nkind = "email"\nurl = "smtp://mail:587"\nsender = "a@example.com"\n'
WINDOW = '[[maintenance]]\nreason = "r"\n'
PROJECT_RULES = {
    "rule of the project": (
        '[alerts.rules.mine]\nsignal = "parse_rate"\nbelow = 2 #!',
        "alerts.rules.mine.below is 2, not a number from 0 to 1",
        "bounds",
    ),
    "a comparison of an event": (
        '[alerts.rules.mine]\nsignal = "replica_down"\nabove = 1 #!',
        "alerts.rules.mine.above does not suit the signal replica_down",
        "take it out: the signal alone says it",
    ),
    "by of an event": (
        '[alerts.rules.mine]\nsignal = "replica_down"\nby = "model" #!',
        "alerts.rules.mine.by has no use with the signal replica_down",
        "take it out",
    ),
    "fallback receiver": ('[alerts]\nreceivers = ["nobody"] #!', 'there is no receiver "nobody"', "[receivers.nobody]"),
    "silent_after": ('[alerts]\nsilent_after = "1s" #!', 'alerts.silent_after is "1s", which is out', "from 60s"),
    "false alarms": ("[alerts]\nfalse_alarms_per_month = 0 #!", "alerts.false_alarms_per_month is 0", "bounds"),
    "console url": ('[alerts]\nconsole_url = "ftp://c" #!', "alerts.console_url is not a URL", "http"),
    "key elsewhere": ("[alerts]\nseverity = 1 #!", '"alerts.severity" is an unknown key', "it belongs in"),
    "kind": (
        '[receivers.team]\nkind = "teams" #!\nurl = "https://h/a"',
        'receivers.team.kind is "teams"',
        'write "alertmanager", "email", "pagerduty", "slack" or "webhook"',
    ),
    "no url": (
        '[receivers.team] #!\nkind = "webhook"',
        "receivers.team has no `url`",
        'write url = "https://hooks.example.com/trimtab"',
    ),
    "url with credentials": (
        '[receivers.team]\nkind = "webhook"\nurl = "https://u:p@h/a" #!',
        "receivers.team.url is a URL with credentials (not repeated here)",
        "take them out",
    ),
    "written slack url": (
        f'{SLACK}url = "https://hooks.slack.example/T0/B0/x" #!',
        "receivers.team.url is written down, and whoever reads it may post (it is not repeated here)",
        'write url = "env:SLACK_URL"',
    ),
    "secret written down": (
        '[receivers.team]\nkind = "webhook"\nurl = "https://h/a"\nsecret = "hunter2" #!',
        "receivers.team.secret is not a place where a secret lies (it is not repeated here)",
        '"env:NAME"',
    ),
    "no routing key": (
        '[receivers.team] #!\nkind = "pagerduty"\nurl = "https://events.pagerduty.com/v2/enqueue"',
        "the receiver team has no routing key",
        'secret = "env:PAGERDUTY_KEY"',
    ),
    "slack with a secret": (
        f'{SLACK}url = "env:SLACK_URL"\nsecret = "env:A" #!',
        "receivers.team.secret has no use with the kind slack",
        "its url is the secret",
    ),
    "mail server": (
        f'{MAIL.replace("smtp://mail:587", "mail")}to = ["b@example.com"]'.replace('"mail"', '"mail" #!'),
        "receivers.team.url is not the URL of a mail server",
        'write "smtp://HOST:587"',
    ),
    "mail server with a password": (
        f'{MAIL}to = ["b@example.com"]'.replace('"smtp://mail:587"', '"smtp://u:p@mail:587" #!'),
        "receivers.team.url is a URL with credentials (not repeated here)",
        "use user and secret",
    ),
    "mail to nobody": (
        MAIL.replace("]\n", "] #!\n", 1),
        "receivers.team has no `to`",
        'to = ["oncall@example.com"]',
    ),
    "mail address": (f'{MAIL}to = ["b"] #!', 'receivers.team.to[0] is "b", not a mail address', "oncall@example.com"),
    "mail from nobody": (
        f'{MAIL}to = ["b@example.com"]'.replace('sender = "a@example.com"\n', "").replace("]\n", "] #!\n", 1),
        "receivers.team has no `sender`",
        'write sender = "trimtab@example.com"',
    ),
    "user without a password": (
        f'{MAIL}to = ["b@example.com"]\nuser = "u" #!',
        "receivers.team.user stands without secret",
        "write secret too, or take user out",
    ),
    "mail's keys elsewhere": (
        f'{HOOK}user = "u" #!',
        "receivers.oncall.user has no use with the kind webhook",
        "take it out",
    ),
    "severities": (f'{HOOK}severities = ["pager"] #!', 'receivers.oncall.severities[0] is "pager"', 'write "page"'),
    "owner of nothing": (
        f'{HOOK}[owners]\nsuport.receivers = ["oncall"] #!',
        'no task is owned by "suport"',
        'did you mean "support"?',
    ),
    "owner without receivers": (
        f"{HOOK}[owners.support] #!",
        "owners.support has no `receivers`",
        'write receivers = ["oncall"]',
    ),
    "owner's receiver": (
        f'{HOOK}[owners.support]\nreceivers = ["oncal"] #!',
        'there is no receiver "oncal"',
        "did you mean oncall?",
    ),
    "no reason": ('[[maintenance]] #!\nbegins = "sun 02:00"\nends = "sun 03:00"', "has no `reason`", "write reason"),
    "begins": (
        f'{WINDOW}begins = "sunday" #!\nends = "sun 03:00"',
        'maintenance[0].begins is "sunday", not a time',
        'write "sun 02:00" (UTC) for every week',
    ),
    "no zone": (
        f"{WINDOW}begins = 2026-12-24T22:00:00 #!\nends = 2026-12-25T22:00:00Z",
        "maintenance[0].begins is 2026-12-24T22:00:00, without a zone",
        "Z for UTC",
    ),
    "two kinds of time": (
        f'{WINDOW}begins = "sun 02:00"\nends = 2026-12-25T22:00:00Z #!',
        "maintenance[0].begins and ends are of two kinds",
        "in both",
    ),
    "ends before it begins": (
        f"{WINDOW}begins = 2026-12-25T22:00:00Z\nends = 2026-12-24T22:00:00Z #!",
        "maintenance[0].ends does not come after begins",
        "a later time",
    ),
    "task of a window": (
        f'{WINDOW}begins = "sun 02:00"\nends = "sun 03:00"\ntasks = ["triag"] #!',
        'there is no task "triag"',
        "did you mean triage?",
    ),
}


@pytest.mark.parametrize(("toml", "what", "instead"), PROJECT_RULES.values(), ids=PROJECT_RULES)
def test_rules_of_the_project(tmp_path: Path, toml: str, what: str, instead: str) -> None:
    """The same for `trimtab.toml`."""
    whole = f"{MODEL}{toml}"
    [mistake] = read(write(tmp_path, whole, triage=f'owner = "support"\n{TASK}')).mistakes
    assert (mistake.path, mistake.line) == ("trimtab.toml", marked(whole))
    assert what in mistake.what
    assert instead in mistake.instead


def test_every_mistake_at_once(tmp_path: Path) -> None:
    """Mistakes of several rules and tables are told together, whatever else is wrong in them."""
    toml = f'{MODEL}[alerts]\ndefaults = 1\n[receivers.a]\nkind = "x"\n[[maintenance]]\n'
    found = read(write(tmp_path, toml, triage=rule('signal = "x"\nbelow = "y"\nseverity = 1'))).mistakes
    assert [mistake.line for mistake in found if mistake.path == "tasks/triage/task.toml"] == [3, 4, 5]
    assert [mistake.line for mistake in found if mistake.path == "trimtab.toml"] == [5, 6, 7, 8, 8, 8]


def test_what_is_declared_is_read(tmp_path: Path) -> None:
    """Rules, receivers, owners and windows as they were written, in canonical units."""
    toml = (
        f'{MODEL}{HOOK}secret = "file:sign"\n{MAIL}to = ["b@example.com"]\nuser = "u"\nsecret = "env:MAIL"\n'
        '[alerts]\nreceivers = ["team"]\nconsole_url = "https://console.example.com/"\n'
        '[alerts.rules.slow]\nsignal = "ttft"\nabove = "800ms"\nquantile = 0.99\nwindow = "30m"\n'
        '[owners."Support team"]\nreceivers = ["oncall"]\n'
        f'{WINDOW}begins = "sun 22:30"\nends = "mon 01:00"\n'
        f'{WINDOW}begins = 2026-12-24T23:00:00+01:00\nends = 2026-12-25T22:00:00Z\ntasks = ["triage"]\n'
    )
    task = f'owner = "Support team"\n{TASK}objective.success = 0.99\n'
    task += '[alerts]\nparse_rate_falls.off = true\n[alerts.burn]\nsignal = "availability"\nburn = true\n'
    task += '[alerts.label]\nsignal = "predictions"\nfield = "answer/label"\ndrift = true\nseverity = "page"\n'
    project = load(write(tmp_path, toml, triage=task))
    alerting = project.alerting
    assert alerting.rules == (AlertRule("slow", "ttft", "above", 0.8, window_s=1800.0, quantile=0.99),)
    assert alerting.receivers == {
        "oncall": Receiver(
            "oncall",
            "webhook",
            Address("https://hooks.example.com/a"),
            Address(f"file:{tmp_path / 'sign'}", is_secret=True),
        ),
        "team": Receiver(
            "team",
            "email",
            Address("smtp://mail:587"),
            Address("env:MAIL", is_secret=True),
            to=("b@example.com",),
            sender="a@example.com",
            user="u",
        ),
    }
    assert (alerting.owners, alerting.fallback) == ({"Support team": ("oncall",)}, ("team",))
    assert alerting.console_url == "https://console.example.com"
    assert alerting.maintenance == (
        Maintenance("r", 6 * 1440 + 22 * 60 + 30, 60, weekly=True),
        Maintenance("r", 1798149600 * 10**9, 1798236000 * 10**9, weekly=False, tasks=("triage",)),
    )
    burn, label, off = project.tasks["triage"].alerts
    assert (burn.signal, burn.comparison, burn.severity) == ("availability", "burns", "ticket")
    assert (label.comparison, label.field, label.severity) == ("drifts", "answer/label", "page")
    assert (off.name, off.off) == ("parse_rate_falls", True)


def test_default_rules_are_rules(tmp_path: Path) -> None:
    """Each default can be written as a rule of one's own, and is then read as the same one."""
    written = {"falls": 'change = "down"', "rises": 'change = "up"', "drifts": "drift = true", "burns": "burn = true"}
    task = ['objective = { success = 0.9, ttft_p95 = "1s", tpot_p95 = "1s", gap_p95 = "1s", total_p95 = "1s" }', TASK]
    toml = [MODEL]
    for each in DEFAULTS:
        is_event = each.comparison == "happens"
        lines, table = (toml, f"alerts.rules.{each.name}") if is_event else (task, f"alerts.{each.name}")
        lines += [f"[{table}]", f'signal = "{each.signal}"', f'severity = "{each.severity}"']
        lines += [written.get(each.comparison, f"{each.comparison} = {each.limit}")] if not is_event else []
    project = load(write(tmp_path, "\n".join(toml), triage="\n".join(task)))
    read = (*project.tasks["triage"].alerts, *project.alerting.rules)
    assert sorted(read, key=lambda each: each.name) == sorted(DEFAULTS, key=lambda each: each.name)
