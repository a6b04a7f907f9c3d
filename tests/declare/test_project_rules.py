"""Each rule of `trimtab.toml`: the line it is found on, what is said to be wrong and what to write instead.

In the texts, `#!` ends the line on which the one mistake must be reported.
"""

from pathlib import Path

import pytest

from tests.declare.projects import MODEL, marked, write
from trimtab.declare.load import read

ROUTE = 'passthrough = ["GET /a"]\n'
SINCE = "output = 1, from = 2026-09-01"


def price(text: str) -> str:
    return f"{MODEL}[models.small.price]\n{text}"


def gpu(text: str) -> str:
    return f"{MODEL}[models.small.gpu]\n{text}"


PROJECT_RULES = {
    # unknown and planned keys
    "unknown table": (f"{MODEL}[gatway] #!", '"gatway" is an unknown key', "did you mean gateway?"),
    "unknown key": (f"{MODEL}[gateway]\nlissten = 1 #!", '"gateway.lissten" is an unknown key', "did you mean listen?"),
    "unknown key far off": (f"{MODEL}[control]\nzzz = 1 #!", '"control.zzz" is an unknown key', "known here: listen"),
    "key elsewhere": (f"max_body = 1 #!\n{MODEL}", '"max_body" is an unknown key', "it belongs in gateway.max_body"),
    "unknown key of a model": (
        f"{MODEL}replica = [] #!",
        '"models.small.replica" is an unknown',
        "did you mean replicas?",
    ),
    "unknown key in a list": (
        f"{MODEL}[[models.small.price]]\ninput = 1\noutput = 1\nimput = 1 #!",
        '"models.small.price[0].imput" is an unknown key',
        "did you mean input?",
    ),
    "planned table": (f"{MODEL}[budget] #!", '"budget" is not available yet', "take it out"),
    "planned stores": (f"{MODEL}[stores] #!", '"stores" is not available yet', "take it out"),
    "planned tools": (f"{MODEL}[tools] #!", '"tools" is not available yet', "take it out"),
    "wire": (f'{MODEL}wire = "opena" #!', 'models.small.wire is "opena"', 'write "openai"'),
    "model's name": (f'{MODEL}[models."Big One"] #!', '"models.Big One" has a name that cannot be used', "a-z 0-9"),
    # shapes
    "not a table": (f"gateway = 1 #!\n{MODEL}", "gateway is 1, not a table", "write gateway = { ... }"),
    "not a string": (f"environment = 1 #!\n{MODEL}", "environment is 1, not a name", "a-z 0-9"),
    "not a list": (
        '[models.small]\nmodel = "m"\nreplicas = "http://a" #!',
        'models.small.replicas is "http://a", not a list',
        "[ ... ]",
    ),
    "price in a list": (f"{MODEL}price = [1] #!", "models.small.price has 1", "only tables"),
    # models
    "no model": ("# nothing #!", "no model is declared", "[models.small]"),
    "no served name": (
        '[models.small] #!\nreplicas = ["http://a"]',
        "models.small has no `model`",
        'write model = "Qwen',
    ),
    "no replicas": (
        '[models.small] #!\nmodel = "m"',
        "models.small has no `replicas`",
        'write replicas = ["http://127',
    ),
    "empty replicas": (
        '[models.small]\nmodel = "m"\nreplicas = [] #!',
        "models.small.replicas is empty",
        'replicas = ["http',
    ),
    "served name empty": (
        '[models.small]\nreplicas = ["http://a"]\nmodel = "" #!',
        "models.small.model is empty",
        "one line",
    ),
    "replica twice": (
        '[models.small]\nmodel = "m"\nreplicas = [\n"http://a:1/",\n"http://A:1", #!\n]',
        'models.small.replicas has "http://A:1" twice',
        "keep one",
    ),
    "replica without scheme": (
        '[models.small]\nmodel = "m"\nreplicas = ["http://a",\n"10.0.0.1:8000"] #!',
        "models.small.replicas[1] is not a URL that begins with http:// or https://",
        "http://10.0.0.11:8000",
    ),
    "replica of another scheme": (
        '[models.small]\nmodel = "m"\nreplicas = ["ftp://a"] #!',
        "models.small.replicas[0] is not a URL that begins with",
        "base URL",
    ),
    "replica's port": (
        '[models.small]\nmodel = "m"\nreplicas = ["http://a:99999"] #!',
        "models.small.replicas[0] is a URL whose host or port",
        "base URL",
    ),
    "replica's host": (
        '[models.small]\nmodel = "m"\nreplicas = ["http://:80"] #!',
        "models.small.replicas[0] is a URL whose host or port",
        "base URL",
    ),
    "replica with a blank": (
        '[models.small]\nmodel = "m"\nreplicas = ["http://a b"] #!',
        "models.small.replicas[0] is not a URL",
        "base URL",
    ),
    "replica with a query": (
        '[models.small]\nmodel = "m"\nreplicas = ["http://a?x=1"] #!',
        "models.small.replicas[0] is a URL with a query",
        "leave out",
    ),
    "replica with /v1": (
        '[models.small]\nmodel = "m"\nreplicas = ["http://a/v1/"] #!',
        'models.small.replicas[0] is "http://a/v1/", which ends in /v1',
        "leave /v1 out",
    ),
    "replica with dots": (
        '[models.small]\nmodel = "m"\nreplicas = ["http://a//b"] #!',
        'models.small.replicas[0] is "http://a//b", whose path',
        "doubled slashes",
    ),
    "ca": (f'{MODEL}ca = "no.pem" #!', 'models.small.ca is "no.pem", where there is no file', "one that exists"),
    "proxy": (
        f'{MODEL}proxy = "socks://a" #!',
        "models.small.proxy is not a URL that begins with http://",
        "http://proxy:3128",
    ),
    "proxy's path": (
        f'{MODEL}proxy = "http://a/b" #!',
        'models.small.proxy is "http://a/b", which has a path',
        "leave the path out",
    ),
    "revision": (f"{MODEL}revision = 3 #!", "models.small.revision is 3, not a string", "in quotes"),
    # engines
    "engine": (f'{MODEL}engine = "vlm" #!', 'models.small.engine is "vlm"', 'write "vllm"'),
    "engine of the other wire": (
        f'{MODEL}wire = "anthropic"\nengine = "openai" #!',
        'models.small.engine is "openai", which does not speak the wire "anthropic"',
        'write wire = "openai", or engine = "other"',
    ),
    "Anthropic's engine on OpenAI's wire": (
        f'{MODEL}engine = "anthropic" #!',
        'models.small.engine is "anthropic", which does not speak the wire "openai"',
        'write wire = "anthropic", or engine = "other"',
    ),
    "grammar": (f'{MODEL}engine = "vllm"\ngrammar = "outlines" #!', 'models.small.grammar is "outlines"', '"guidance"'),
    "grammar without a vLLM": (
        f'{MODEL}grammar = "xgrammar" #!',
        'models.small.grammar has no use with the engine "other"',
        'engine = "vllm"',
    ),
    "probe": (f'{MODEL}engine = "vllm"\nprobe = "never" #!', 'models.small.probe is "never"', 'or "off"'),
    "probe too often": (f'{MODEL}engine = "vllm"\nprobe = "1s" #!', 'models.small.probe is "1s", which is out', "60s"),
    "probe of nothing": (
        f'{MODEL}probe = "15m" #!',
        'models.small.probe has no use with the engine "other"',
        "name the engine",
    ),
    # authentication
    "kind": (f'{MODEL}auth = {{ kind = "gcp" }} #!', 'models.small.auth.kind is "gcp"', '"aws", "azure", "bearer"'),
    "unknown key of auth": (
        f'{MODEL}auth = {{ kind = "aws", region = "r", zzz = "x" }} #!',
        '"models.small.auth.zzz" is an unknown key',
        "take it out",
    ),
    "key of another kind": (
        f'{MODEL}[models.small.auth]\nkind = "aws"\nregion = "r"\nproject = "p" #!',
        'models.small.auth.project has no use with the kind "aws"',
        'write kind = "google"',
    ),
    "key without a kind": (
        f'{MODEL}auth.region = "r" #!',
        'models.small.auth.region has no use with the kind "bearer"',
        'write kind = "aws" or "google"',
    ),
    "azure without key": (
        f'{MODEL}[models.small.auth]\napi_version = "v1"\nkind = "azure" #!',
        "models.small.api_key is missing, which azure sends",
        'api_key = "env:NAME"',
    ),
    "azure without version": (
        f'{MODEL}api_key = "env:K"\nauth = {{ kind = "azure" }} #!',
        "models.small.auth has no `api_version`",
        '"2024-10-21" or "v1"',
    ),
    "azure on Anthropic's wire": (
        f'{MODEL}api_key = "env:K"\nwire = "anthropic"\nauth = {{ kind = "azure", api_version = "v1" }} #!',
        'models.small.auth.kind is "azure", which does not speak the wire "anthropic"',
        'kind = "bearer"',
    ),
    "aws with key": (
        f'{MODEL}auth = {{ kind = "aws", region = "r" }}\napi_key = "env:K" #!',
        "models.small.api_key has no use: aws finds credentials of its own",
        'auth.kind = "bearer"',
    ),
    "google with key": (
        f'{MODEL}auth = {{ kind = "google" }}\napi_key = "env:K" #!',
        "models.small.api_key has no use: google finds credentials of its own",
        'auth.kind = "bearer"',
    ),
    "aws without region": (
        f'{MODEL}auth = {{ kind = "aws" }} #!',
        "models.small.auth has no `region`",
        'region = "us-east-1"',
    ),
    "google without region": (
        f'{MODEL}auth = {{ kind = "google", project = "p" }} #!',
        "models.small.auth has no `region`",
        '"global"',
    ),
    "google without project": (
        f'{MODEL}auth = {{ kind = "google", region = "r" }} #!',
        "models.small.auth has no `project`",
        '"my-project"',
    ),
    "region": (
        f'{MODEL}auth = {{ kind = "aws", region = "eu/../x" }} #!',
        'models.small.auth.region is "eu/../x", not a label',
        "A-Z a-z 0-9",
    ),
    "credentials": (
        f'{MODEL}auth = {{ kind = "google", credentials = "no.json" }} #!',
        'models.small.auth.credentials is "no.json", where there is no file',
        "one that exists",
    ),
    # pass-through
    "route without method": (
        f'{MODEL}passthrough = ["/tokenize"] #!',
        'models.small.passthrough[0] is "/tokenize", not a route',
        '"GET /tokenize"',
    ),
    "route's method": (
        f'{MODEL}passthrough = ["get /a"] #!',
        'models.small.passthrough[0] is "get /a", not a route',
        '"GET /tokenize"',
    ),
    "route with a query": (
        f'{MODEL}passthrough = ["GET /a?b"] #!',
        'models.small.passthrough[0] is "GET /a?b", whose path',
        "without query",
    ),
    "route with a wildcard": (
        f'{MODEL}passthrough = ["GET /a/*"] #!',
        'models.small.passthrough[0] is "GET /a/*", whose path',
        "wildcard",
    ),
    "route with dots": (
        f'{MODEL}passthrough = ["GET /a/../b"] #!',
        'models.small.passthrough[0] is "GET /a/../b", whose path',
        "dots",
    ),
    "route with escapes": (
        f'{MODEL}passthrough = ["GET /%61"] #!',
        'models.small.passthrough[0] is "GET /%61", whose path',
        "escapes",
    ),
    "route of ours": (
        f'{MODEL}passthrough = [\n"GET /tokenize",\n"POST /v1/chat/completions", #!\n]',
        'models.small.passthrough[1] is "POST /v1/chat/completions", a route that the gateway itself serves',
        "leave it out",
    ),
    "route of two models": (
        f'{MODEL}{ROUTE}[models.large]\nmodel = "l"\nreplicas = ["http://b"]\n{ROUTE.strip()} #!',
        'the route "GET /a" is claimed by small too',
        "keep one",
    ),
    # money
    "price without output": (
        f"{MODEL}[models.small.price] #!\ninput = 1",
        "models.small.price has no `output`",
        "output = 0.60",
    ),
    "price without input": (f"{MODEL}price = {{ output = 1 }} #!", "models.small.price has no `input`", "input = 0.15"),
    "negative price": (price("output = 1\ninput = -0.1 #!"), "models.small.price.input is -0.1, not a price", "from 0"),
    "price as text": (
        price('output = 1\ninput = "1" #!'),
        'models.small.price.input is "1", not a number',
        "without quotes",
    ),
    "price that is a truth": (
        price("output = 1\ninput = true #!"),
        "models.small.price.input is true, not a number",
        "number",
    ),
    "price without end": (price("output = 1\ninput = inf #!"), "models.small.price.input is not a number", "finite"),
    "price too fine": (
        price("output = 1\ninput = 0.0000001 #!"),
        "models.small.price.input is 1e-7 for 1000000 tokens",
        "round it",
    ),
    "price too fine for its unit": (
        price("input = 3\noutput = 1 #!\nper_tokens = 3\ncache_read = 3"),
        "models.small.price.output is 1 for 3 tokens, which is finer than 1e-12 USD a token",
        "round it",
    ),
    "price too high": (
        price("output = 1\nper_tokens = 1\ninput = 1001 #!"),
        "models.small.price.input is 1001, not a price",
        "to 1000",
    ),
    "per_tokens": (price("input = 1\noutput = 1\nper_tokens = 0 #!"), "models.small.price.per_tokens is 0", "bounds"),
    "from as text": (
        price('input = 1\noutput = 1\nfrom = "2026-09-01" #!'),
        'models.small.price.from is "2026-09-01"',
        "without quotes",
    ),
    "from with a time": (
        price("input = 1\noutput = 1\nfrom = 2026-09-01T00:00:00 #!"),
        "models.small.price.from is 2026-09-01T00",
        "such as 2026-09-01",
    ),
    "two prices of a day": (
        f"{MODEL}price = [\n{{ input = 1, {SINCE} }},\n{{ input = 2, {SINCE} }}, #!\n]",
        "models.small.price[1].from: there are two prices from 2026-09-01",
        "own first day",
    ),
    "two prices without a day": (
        f"{MODEL}[[models.small.price]]\ninput = 1\noutput = 1\n[[models.small.price]] #!\ninput = 2\noutput = 2",
        "models.small.price[1].from: there are two prices without `from`",
        "own first day",
    ),
    "gpu without kind": (
        f"{MODEL}[models.small.gpu] #!\ncount = 1\nusd_per_hour = 2.5",
        "models.small.gpu has no `kind`",
        '"H100"',
    ),
    "gpu count": (gpu('kind = "H100"\nusd_per_hour = 2.5\ncount = 0 #!'), "models.small.gpu.count is 0", "bounds"),
    "gpu cost": (
        gpu('kind = "H100"\ncount = 1\nusd_per_hour = -1 #!'),
        "models.small.gpu.usd_per_hour is -1, not a price",
        "from 0",
    ),
    "price and gpu": (
        f'{MODEL}price = {{ input = 1, output = 1 }}\ngpu = {{ kind = "a", count = 1, usd_per_hour = 1 }} #!',
        "models.small.price and gpu are both given",
        "keep the one",
    ),
    # gateway and control
    "listen": (f'{MODEL}[gateway]\nlisten = "8400" #!', 'gateway.listen is "8400", not an address', '"127.0.0.1:8400"'),
    "listen's port": (
        f'{MODEL}[control]\nlisten = "a:65536" #!',
        'control.listen is "a:65536", not an address',
        "host:port",
    ),
    "IPv6 without brackets": (
        f'{MODEL}[gateway]\nlisten = "::1:8400" #!',
        'gateway.listen is "::1:8400", not an address',
        '"[::1]:8400"',
    ),
    "same address": (
        f'{MODEL}[gateway]\nlisten = "127.0.0.1:9"\n[control]\nlisten = "127.0.0.1:9" #!',
        "control.listen is the gateway's address too",
        "another port",
    ),
    "workers": (
        f"{MODEL}[gateway]\nworkers = 65 #!",
        "gateway.workers is 65, not a whole number from 1 to 64",
        "bounds",
    ),
    "keys": (f'{MODEL}[gateway]\nkeys = "none" #!', 'gateway.keys is "none"', 'write "open" or "required"'),
    "open to others": (
        f'{MODEL}[gateway]\nkeys = "open"\nlisten = "0.0.0.0:8400" #!',
        'gateway.keys is "open" while gateway.listen is 0.0.0.0, which others can reach',
        'keys = "required"',
    ),
    "control open to others": (
        f'{MODEL}[gateway]\nkeys = "open"\n[control]\nlisten = "10.0.0.1:8401" #!',
        'gateway.keys is "open" while control.listen is 10.0.0.1',
        "127.0.0.1",
    ),
    "tls without key": (
        f'{MODEL}[gateway.tls] #!\ncert = "trimtab.toml"',
        "gateway.tls has no `key`",
        'key = "tls/key.pem"',
    ),
    "tls file": (
        f'{MODEL}[gateway.tls]\ncert = "trimtab.toml"\nkey = "no.pem" #!',
        'gateway.tls.key is "no.pem", where there is no file',
        "one that exists",
    ),
    "control's tls without cert": (
        f'{MODEL}[control.tls] #!\nkey = "trimtab.toml"',
        "control.tls has no `cert`",
        'cert = "tls/cert.pem"',
    ),
    "duration": (f'{MODEL}[gateway]\ndrain = "soon" #!', 'gateway.drain is "soon", not a duration', '"5s" or "250ms"'),
    "duration without unit": (
        f"{MODEL}[gateway]\ndrain = 30 #!",
        "gateway.drain is 30, not a duration",
        "one of ms, s, m, h, d",
    ),
    "duration of nothing": (
        f'{MODEL}[gateway]\nidle_timeout = "0s" #!',
        'gateway.idle_timeout is "0s", which is out of bounds',
        "0.1s",
    ),
    "negative duration": (
        f'{MODEL}[gateway]\nslow_reader = "-1s" #!',
        'gateway.slow_reader is "-1s", not a duration',
        "number",
    ),
    "size": (f'{MODEL}[gateway]\nmax_body = "32MB" #!', 'gateway.max_body is "32MB", not a size', '"32MiB"'),
    "size as number": (f"{MODEL}[gateway]\nmax_header = 1024 #!", "gateway.max_header is 1024, not a size", "KiB"),
    "size out of bounds": (
        f'{MODEL}[gateway]\nmax_header = "0B" #!',
        'gateway.max_header is "0B", which is out',
        "1KiB to 1MiB",
    ),
    "connections": (f"{MODEL}[gateway]\nmax_connections = 0 #!", "gateway.max_connections is 0", "bounds"),
    # data
    "directory": (f'{MODEL}[data]\ndirectory = "" #!', "data.directory is empty", "one line"),
    "retention": (f'{MODEL}[data]\nretention = "30" #!', 'data.retention is "30", not a duration', "ms, s, m, h, d"),
    "fsync": (f'{MODEL}[data]\nfsync_interval = "1m" #!', 'data.fsync_interval is "1m", which is out', "0.001s to 10s"),
    "reserve": (f'{MODEL}[data]\nreserve = "1KiB" #!', 'data.reserve is "1KiB", which is out', "1MiB"),
    "spool": (f'{MODEL}[data]\nspool_limit = "1MiB" #!', 'data.spool_limit is "1MiB", which is out', "16MiB"),
    "telemetry": (f'{MODEL}[data]\ntelemetry = "duckdb" #!', "data.telemetry is not a URL that begins", 'write "chdb"'),
    "dead letters": (f"{MODEL}[data]\ndead_letters = -1 #!", "data.dead_letters is -1, not a whole number", "bounds"),
    "password without server": (
        f'{MODEL}[data]\ntelemetry_password = "env:P" #!',
        "data.telemetry_password has no use",
        "take it out",
    ),
    # defaults
    "redaction": (f'{MODEL}[defaults]\nredaction = "non" #!', 'defaults.redaction is "non"', 'write "none"'),
    "attempts": (f"{MODEL}[defaults.retry]\nattempts = 11 #!", "defaults.retry.attempts is 11", "bounds"),
    "resume": (
        f'{MODEL}[defaults.retry]\nresume = "no" #!',
        'defaults.retry.resume is "no", neither true nor false',
        "without quotes",
    ),
    "deadline": (
        f'{MODEL}[defaults]\ndeadline = "5s" #!',
        'defaults.deadline is "5s", not a table',
        "deadline = { ... }",
    ),
    "deadline too long": (
        f'{MODEL}[defaults.deadline]\ngap = "8d" #!',
        'defaults.deadline.gap is "8d", which is out',
        "604800s",
    ),
    "total before first token": (
        f'{MODEL}[defaults.deadline]\nfirst_token = "5s"\ntotal = "4s" #!',
        "defaults.deadline.total is shorter than defaults.deadline.first_token",
        "write a total of 5s or more",
    ),
    "background answers kept too long": (
        f'{MODEL}[background]\nkeep = "31d" #!',
        "background.keep is longer than data.retention",
        "write less",
    ),
    "background requests too large": (
        f'{MODEL}[background]\nmax_request = "33MiB" #!',
        "background.max_request is over gateway.max_body",
        "write less",
    ),
    "background tries": (f"{MODEL}[background]\nattempts = 0 #!", "background.attempts is 0", "bounds"),
    "environment": (f'environment = "Prod" #!\n{MODEL}', 'environment is "Prod", not a name', "a-z 0-9"),
}


@pytest.mark.parametrize(("text", "what", "instead"), PROJECT_RULES.values(), ids=PROJECT_RULES.keys())
def test_project_rule(tmp_path: Path, text: str, what: str, instead: str) -> None:
    """One mistake in `trimtab.toml` gives one message, at its line, that says what to write."""
    [mistake] = read(write(tmp_path, text)).mistakes
    assert (mistake.path, mistake.line) == ("trimtab.toml", marked(text)), mistake
    assert mistake.what.startswith(what), mistake
    assert instead in mistake.instead, mistake


SECRETS = {
    "api_key": f'{MODEL}api_key = "sk-geheim" #!',
    "api_key with colon": f'{MODEL}api_key = "sk:geheim" #!',
    "api_key in env with blanks": f'{MODEL}api_key = "env:sk geheim" #!',
    "api_key in a list": f'{MODEL}api_key = ["sk-geheim"] #!',
    "telemetry_password": f'{MODEL}[data]\ntelemetry = "http://u@h:8123/d"\ntelemetry_password = "geheim" #!',
    "telemetry": f'{MODEL}[data]\ntelemetry = "http://u:geheim@h:8123/d" #!',
    "telemetry of another scheme": f'{MODEL}[data]\ntelemetry = "tcp://u:geheim@h:8123/d" #!',
    "replica": '[models.small]\nmodel = "m"\nreplicas = ["http://u:geheim@h"] #!',
    "replica with a blank": '[models.small]\nmodel = "m"\nreplicas = ["http://u:geheim@h x"] #!',
    "replica with a bad port": '[models.small]\nmodel = "m"\nreplicas = ["http://u:geheim@h:x"] #!',
    "replica with a query": '[models.small]\nmodel = "m"\nreplicas = ["http://h/?key=geheim"] #!',
    "proxy": f'{MODEL}proxy = "http://u:geheim@h:1" #!',
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS.keys())
def test_secrets_are_not_repeated(tmp_path: Path, text: str) -> None:
    """Where a secret was written into the file, the mistake does not repeat it."""
    [mistake] = read(write(tmp_path, text)).mistakes
    assert mistake.line == marked(text)
    assert "geheim" not in str(mistake)


def test_no_project(tmp_path: Path) -> None:
    """Without `trimtab.toml` there is one mistake, which says how to begin."""
    assert list(map(str, read(tmp_path).mistakes)) == [
        "trimtab.toml:1: there is no such file; say --project FOLDER, or write it with `trimtab init`"
    ]
