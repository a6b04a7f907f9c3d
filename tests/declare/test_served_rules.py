"""Each rule of what is locked beside tasks: `served`, `retires` and `identity` of models, `[retrieval]` and `[lock]`.

In the texts, `#!` ends the line on which the one mistake must be reported.
"""

import hashlib
import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.declare.projects import MODEL, TASK, marked, write
from trimtab.declare.load import load, read
from trimtab.declare.open_text import looks_secret, open_text
from trimtab.declare.project import Adapter, FileDigest, LockSettings, Retrieval, Served
from trimtab.declare.values import Wrong

SERVED = f"{MODEL}[models.small.served]\n"
ZEROS = f"sha256:{'0' * 64}"

RULES = {
    "retires": (
        f'{MODEL}retires = "2026-12-01" #!',
        'models.small.retires is "2026-12-01", not a date',
        "without quotes",
    ),
    "identity": (f"{MODEL}identity = 6 #!", "models.small.identity is 6, not a duration", 'or "off"'),
    "identity too often": (f'{MODEL}identity = "1m" #!', 'models.small.identity is "1m"', 'or "off"'),
    "unknown key": (f'{SERVED}imige = "x" #!', '"models.small.served.imige" is an unknown key', "did you mean image?"),
    "image by a tag": (
        f'{SERVED}image = "vllm:latest" #!',
        'models.small.served.image is "vllm:latest", not an',
        "sha256:",
    ),
    "server": (f"{SERVED}server = 1 #!", "models.small.served.server is 1, not a string", "quotes"),
    "flags as text": (f'{SERVED}flags = "--a" #!', 'models.small.served.flags is "--a", not a list', "[ ... ]"),
    "a flag": (f'{SERVED}flags = ["--a",\n1] #!', "models.small.served.flags[1] is 1, not a string", "quotes"),
    "secret option": (
        f'{SERVED}flags = ["--api-key", "hush"] #!',
        "models.small.served.flags[0] is the option --api-key, which takes a secret",
        "take it out",
    ),
    "secret option with a value": (
        f'{SERVED}flags = ["--hf_token=hush"] #!',
        "models.small.served.flags[0] is the option --hf_token, which takes a secret",
        "take it out",
    ),
    "secret in a flag": (
        f'{SERVED}flags = ["--proxy", "http://me:hush@proxy"] #!',
        "models.small.served.flags[1] is a text that holds what looks like a secret (not repeated here)",
        "take it out",
    ),
    "secret variable": (
        f'{SERVED}environment = {{ OPENAI_API_KEY = "hush" }} #!',
        "models.small.served.environment.OPENAI_API_KEY is the name of what looks like a secret",
        "take it out",
    ),
    "secret in a variable": (
        f'{SERVED}environment = {{ NAME = "hf_hushhushhushhushhush" }} #!',
        "models.small.served.environment.NAME is a text that holds what looks like a secret",
        "take it out",
    ),
    "variable's name": (
        f'{SERVED}environment = {{ "a-b" = "1" }} #!',
        '"models.small.served.environment.a-b" has a name that cannot be used',
        "A-Z a-z 0-9 _",
    ),
    "variable": (f"{SERVED}environment.A = 1 #!", "models.small.served.environment.A is 1, not a string", "quotes"),
    "weights": (f'{SERVED}weights.a = "0" #!', 'models.small.served.weights.a is "0", not a digest', "sha256:"),
    "weights' file": (
        f'{SERVED}weights = {{ "/a" = "{ZEROS}" }} #!',
        '"models.small.served.weights./a" has a name that cannot be used',
        "path of a file",
    ),
    "tokenizer elsewhere": (
        f'{SERVED}tokenizer = "../t.json" #!',
        'models.small.served.tokenizer is "../t.json", not the path of a file in the project',
        "path of a file in the project",
    ),
    "tokenizer by a whole path": (
        f'{SERVED}tokenizer = "/etc/passwd" #!',
        'models.small.served.tokenizer is "/etc/p',
        "in",
    ),
    "no tokenizer": (
        f'{SERVED}tokenizer = "t.json" #!',
        'models.small.served.tokenizer is "t.json", and there is no such file',
        "correct the path",
    ),
    "tokenizer is a folder": (
        f'{SERVED}tokenizer = "folder" #!',
        'models.small.served.tokenizer is "folder", which is no',
        "",
    ),
    "tokenizer behind a link": (
        f'{SERVED}chat_template = "link" #!',
        'models.small.served.chat_template is "link", a link that leads out of the project',
        "keep the file itself",
    ),
    "adapter's base": (f'{SERVED}adapter = {{ name = "a" }} #!', "models.small.served.adapter has no `base`", "base ="),
    "adapter's name": (f'{SERVED}adapter = {{ base = "a" }} #!', "models.small.served.adapter has no `name`", "name ="),
    "trained on nothing known": (
        f'{SERVED}trained_on = ["tickest"] #!',
        'there is no data set "tickest"',
        "did you mean tickets?",
    ),
    "adapter trained on nothing known": (
        f'{SERVED}adapter = {{ name = "a", base = "b", trained_on = ["zzz"] }} #!',
        'there is no data set "zzz"',
        "write data/zzz.json",
    ),
    "trained on no cases": (
        f'{SERVED}trained_on = ["tasks/zzz/cases"] #!',
        'there is no data set "tasks/zzz/cases"',
        "write tasks/zzz/cases.jsonl",
    ),
    "trained on no name": (
        f'{SERVED}trained_on = ["A b"] #!',
        'models.small.served.trained_on[0] is "A b", not the name of a data set',
        "data/NAME.json",
    ),
    "retrieval's corpus": (f"{MODEL}[retrieval.help] #!", "retrieval.help has no `corpus`", "write corpus ="),
    "retrieval's name": (f"{MODEL}[retrieval.Help] #!", '"retrieval.Help" has a name that cannot be used', "a-z"),
    "secret in a corpus": (
        f'{MODEL}[retrieval.help]\ncorpus = "https://me:hush@corpus" #!',
        "retrieval.help.corpus is a text that holds what looks like a secret",
        "take it out",
    ),
    "setting": (
        f'{MODEL}[retrieval.help]\ncorpus = "c"\nindex.ef = [] #!',
        "retrieval.help.index.ef is a list",
        "number",
    ),
    "large setting": (
        f'{MODEL}[retrieval.help]\ncorpus = "c"\nindex.ef = 9007199254740992 #!',
        "retrieval.help.index.ef is 9007199254740992",
        "a double holds",
    ),
    "setting's name": (
        f'{MODEL}[retrieval.help]\ncorpus = "c"\nindex."a b" = 1 #!',
        '"retrieval.help.index.a b" has a name that cannot be used',
        "A-Z",
    ),
    "unknown key of lock": (f"{MODEL}[lock]\nfile = 1 #!", '"lock.file" is an unknown key', "known here"),
    "dependencies": (
        f'{MODEL}[lock]\ndependencies = ["uv.lokc"] #!',
        'lock.dependencies[0] is "uv.lokc", and there is no such file',
        "put it there",
    ),
    "dependencies as text": (
        f'{MODEL}[lock]\ndependencies = "uv.lock" #!',
        'lock.dependencies is "uv.lock", not a',
        "[ ..",
    ),
    "python": (f"{MODEL}[lock]\npython = 3.12 #!", "lock.python is 3.12, not a string", "quotes"),
    "days": (f"{MODEL}[lock]\nwarn_days = [30,\n-1] #!", "lock.warn_days[1] is -1, not a whole number", "bounds"),
}


def project(root: Path, toml: str) -> Path:
    write(root, toml, triage=TASK)
    (root / "folder").mkdir()
    (root / "data").mkdir()
    (root / "data" / "tickets.json").write_text(f'{{"digest": "{ZEROS}"}}')
    outside = root.parent / f"{root.name}-outside"
    outside.write_text("x")
    (root / "link").symlink_to(outside)
    return root


@pytest.mark.parametrize(("text", "what", "instead"), RULES.values(), ids=RULES.keys())
def test_rule(tmp_path: Path, text: str, what: str, instead: str) -> None:
    """One mistake gives one message, at its line, that says what to write and repeats no secret."""
    [mistake] = read(project(tmp_path, text)).mistakes
    assert (mistake.path, mistake.line) == ("trimtab.toml", marked(text)), mistake
    assert mistake.what.startswith(what), mistake
    assert instead in mistake.instead, mistake
    assert "hush" not in str(mistake)


WHOLE = f"""\
{MODEL}retires = 2026-12-01
identity = "6h"
[models.small.served]
server = "vllm==0.32.0"
image = "registry/vllm@{ZEROS}"
flags = ["--max-model-len", "8192", "--max-num-seqs", "8192"]
environment = {{ VLLM_BATCH_INVARIANT = "1", TOKENIZERS_PARALLELISM = "false" }}
hardware = "1 x H100"
dtype = "bfloat16"
quantization = "fp8"
weights = {{ "model-00001-of-00002.safetensors" = "{ZEROS}" }}
chat_template = "folder/chat.jinja"
tokenizer = "folder/tokenizer.json"
adapter = {{ name = "lora", base = "m", revision = "1", trained_on = ["tickets"] }}
trained_on = ["tasks/triage/cases"]
[retrieval.help]
corpus = "s3://help/2026-11-01"
chunker = "sentences==2"
embedding_model = "bge@1f0c"
index = {{ kind = "hnsw", ef = 64, alpha = 0.5, exact = false }}
[lock]
dependencies = ["uv.lock", "folder/chat.jinja"]
python = "3.12.4"
warn_days = [7, 90]
"""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_everything_is_read(tmp_path: Path) -> None:
    """Every key is read; files bear the digest of their bytes, digests no prefix but an image's."""
    root = project(tmp_path, WHOLE)
    (root / "folder" / "chat.jinja").write_text("chat")
    (root / "folder" / "tokenizer.json").write_text("{}")
    (root / "uv.lock").write_text("lock")
    (root / "tasks" / "triage" / "cases.jsonl").write_text("{}\n")
    found = load(root)
    model = found.models["small"]
    assert (model.retires, model.identity_s) == (date(2026, 12, 1), 21600.0)
    assert model.served == Served(
        server="vllm==0.32.0",
        image=f"registry/vllm@{ZEROS}",
        flags=("--max-model-len", "8192", "--max-num-seqs", "8192"),
        environment={"TOKENIZERS_PARALLELISM": "false", "VLLM_BATCH_INVARIANT": "1"},
        hardware="1 x H100",
        dtype="bfloat16",
        quantization="fp8",
        weights={"model-00001-of-00002.safetensors": "0" * 64},
        chat_template=FileDigest("folder/chat.jinja", digest("chat")),
        tokenizer=FileDigest("folder/tokenizer.json", digest("{}")),
        adapter=Adapter("lora", "m", "1", ("tickets",)),
        trained_on=("tasks/triage/cases",),
    )
    index: dict[str, str | int | float | bool] = {"alpha": 0.5, "ef": 64, "exact": False, "kind": "hnsw"}
    assert found.retrieval == {"help": Retrieval("help", "s3://help/2026-11-01", "sentences==2", "bge@1f0c", index)}
    dependencies = (FileDigest("folder/chat.jinja", digest("chat")), FileDigest("uv.lock", digest("lock")))
    assert found.lock == LockSettings(dependencies, "3.12.4", (90, 7))


def test_what_lock_does_not_say_is_looked_for(tmp_path: Path) -> None:
    """Without `[lock]`, the dependency locks in the project's folder and its `.python-version` are taken."""
    root = project(tmp_path, MODEL)
    assert load(root).lock == LockSettings((), "", (60, 30, 7))
    for name in ("uv.lock", "requirements.txt", "package-lock.json"):
        (root / name).write_text(name)
    (root / ".python-version").write_text("3.12.4\n3.11\n")
    named = tuple(FileDigest(name, digest(name)) for name in ("requirements.txt", "uv.lock"))
    assert load(root).lock == LockSettings(named, "3.12.4 3.11", (60, 30, 7))
    (root / "trimtab.toml").write_text(f"{MODEL}[lock]\ndependencies = []")
    assert load(root).lock.dependencies == ()


def test_identity_can_be_off(tmp_path: Path) -> None:
    """`off` is how nothing is asked, and so it is without the key."""
    assert load(project(tmp_path, f'{MODEL}identity = "off"')).models["small"].identity_s is None


def test_no_plain_file(tmp_path: Path) -> None:
    """What is no plain file is not opened: a pipe would keep the reader waiting."""
    root = project(tmp_path, f'{SERVED}tokenizer = "folder/pipe"')
    os.mkfifo(root / "folder" / "pipe")
    [mistake] = read(root).mistakes
    assert "which is no plain file" in mistake.what


@pytest.mark.parametrize("word", ["KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIALS", "PASSPHRASE"])
def test_words_of_secrets(word: str) -> None:
    """A name with one of these words, or a word that ends in it, names a secret."""
    assert looks_secret(word)


@pytest.mark.parametrize("word", ["TOKENIZER", "TOKENS", "KEYS", "VLLM", "KEYBOARD", ""])
def test_words_of_no_secrets(word: str) -> None:
    """What only begins like one does not."""
    assert not looks_secret(word)


@pytest.mark.parametrize(
    "text",
    ["sk-learn-tokenizers-for-everybody", "of the bearer", "task-0123456789-0123456789", "http://host/a@b", "v0.1"],
)
def test_plain_texts_are_taken(text: str) -> None:
    """Words that only look a little like secrets are none."""
    assert open_text(text) == text


@given(st.from_regex(r"(sk-|hf_|ghp_|AKIA)[A-Z0-9]{23}7", fullmatch=True), st.sampled_from(["", "x ", "--a="]))
def test_known_keys_are_known(secret: str, before: str) -> None:
    """Keys of well-known services are seen wherever they stand in a text, and not repeated."""
    with pytest.raises(Wrong) as caught:
        open_text(before + secret)
    assert secret not in caught.value.what + caught.value.instead
