"""No secret and no path of a machine gets into a lock, wherever it stands in a declaration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.lock import governed
from tests.lock.governed import with_change
from trimtab.declare.load import read
from trimtab.declare.masks import names_secret, without_secrets
from trimtab.declare.project import (
    Adapter,
    Auth,
    Context,
    DataSet,
    FileDigest,
    Golden,
    Implementation,
    LockSettings,
    McpServer,
    Model,
    Output,
    Project,
    Prompt,
    Retrieval,
    Sampling,
    Schema,
    Secret,
    Served,
    Task,
    Tool,
    Turn,
)
from trimtab.lock.diff import differences
from trimtab.lock.lockfile import decode, encode
from trimtab.lock.plain import command_line, endpoint, environment, place, plain
from trimtab.lock.resolve import resolve

ROOT = "/srv/projects/shop"
HOMES = ("/".join(("", "home")), "/".join(("", "Users")))
"""The folders of homes, on Linux and on macOS."""
SECRETS = (
    "sk-ant-api03-0123456789abcdefABCDEF",
    "sk-proj-0123456789abcdefghij",
    "sk_live_0123456789abcdef",
    "hf_0123456789abcdefghijABCDEFGHIJ",
    "ghp_0123456789abcdefghijABCDEFGHIJ",
    "github_pat_0123456789abcdefghij",
    "glpat-0123456789abcdefghij",
    "xoxb-123456789012-abcdef",
    "AKIA0123456789ABCDEF",
    "AIza0123456789abcdefghijABCDEFGHIJ_-012",
    "tt_0123456789abcdefghijABCDEFGHIJ0123456789abc",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
)


@pytest.mark.parametrize("secret", SECRETS)
def test_tokens(secret: str) -> None:
    """Keys of well-known forms are masked in the midst of a text."""
    masked = without_secrets(f"Use {secret} here")
    assert masked.startswith("Use ***")
    assert masked.endswith(" here")
    assert secret not in masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://user:p4ss@h.example/x", "https://***@h.example/x"),
        ("postgres://u@h/db and s3://k:s@b", "postgres://***@h/db and s3://***@b"),
        ("https://h.example/x?api_key=abc&page=2", "https://h.example/x?api_key=***&page=2"),
        ("https://h.example/?X-Amz-Signature=abc", "https://h.example/?X-Amz-Signature=***"),
        ("Authorization: Bearer abc0123456789defgh", "Authorization: Bearer ***"),
        ("Basic dXNlcjpwYXNzd29yZDE=", "Basic ***"),
    ],
)
def test_credentials(text: str, masked: str) -> None:
    """Credentials in URLs and headers are masked, and the rest is left."""
    assert without_secrets(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Write to support@shop.example about task-force-one-two-three-four.",
        "Basic instructions for the bearer of this certificate, which is long",
        "Risk-averse customers ask https://shop.example/help?page=2&order=desc first.",
        "https://h.example/a@b",
        "{{ user }}@{{ host }}",
        "max_tokens=200 and tokenizer=fast",
        "sk-short",
    ],
)
def test_left_alone(text: str) -> None:
    """What is no secret stays as it is: prompts are pinned word for word."""
    assert without_secrets(text) == text


def test_names() -> None:
    """Names say whether a value is secret, by whole words."""
    for name in ("HF_TOKEN", "--api-key", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "dbPassword", "X-Auth", "APIKEY"):
        assert names_secret(name), name
    for name in ("--max-num-batched-tokens", "--tokenizer", "VLLM_BATCH_INVARIANT", "author", "monkey", "--keyfile"):
        assert not names_secret(name), name


def test_command_lines() -> None:
    """Of options that take secrets only the names stay, of folders of a machine nothing."""
    words = ["--api-key", "hunter2", "--port", "8000", "--token=hunter2", "--model=/models/qwen", f"{ROOT}/x.jinja"]
    assert command_line(words, ROOT) == [
        *("--api-key", "***", "--port", "8000", "--token=***", "--model=(outside)/qwen", "x.jinja")
    ]
    assert environment({"HF_TOKEN": "x", "HF_HOME": f"{HOMES[0]}/ada/.cache", "N": "1"}, ROOT) == {
        "HF_TOKEN": "***",
        "HF_HOME": "(outside)/.cache",
        "N": "1",
    }


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"{ROOT}/data/x.jsonl", "data/x.jsonl"),
        (ROOT, "."),
        ("data/x.jsonl", "data/x.jsonl"),
        ("/models/qwen", "(outside)/qwen"),
        (f"{HOMES[0]}/ada", "(outside)"),
        (f"{HOMES[0]}/ada/", "(outside)"),
        ("/root", "(outside)"),
        (f"{HOMES[1]}/ada/models/qwen", "(outside)/qwen"),
        ("C:\\Users\\ada", "(outside)"),
        ("C:\\models\\qwen", "(outside)/qwen"),
        ("~/models/qwen", "(outside)/qwen"),
        ("/", "(outside)"),
        ("/srv/projects/shopping/x", "(outside)/x"),
        (f"type=bind,src={HOMES[0]}/ada/x,dst=/data", "type=bind,src=(outside)/x,dst=/data"),
        (f'{{"path": "{HOMES[1]}/ada/x"}}', '{"path": "(outside)/x"}'),
        (f"file://{ROOT}/data/x", "file://data/x"),
        ("--volume=/data:/root", "--volume=/data:(outside)"),
        ("rooted/root/x", "rooted/root/x"),
        ("s3://bucket/x", "s3://bucket/x"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
    ],
)
def test_places(path: str, shown: str) -> None:
    """A path is told from the project, or by its last part alone."""
    assert place(path, ROOT) == shown


def test_endpoints() -> None:
    """A URL is told without credentials, query and fragment."""
    assert endpoint("https://u:p@api.example.com:8443/openai?key=x#y") == "https://api.example.com:8443/openai"
    assert endpoint("http://[2001:db8::1]:80") == "http://[2001:db8::1]:80"


def test_plain_numbers() -> None:
    """Equal numbers are written alike, whole ones beyond 2^53 as strings."""
    assert plain([1.0, 0.5, True, None, 2**53, -(2**53), 2**53 - 1, 1e300]) == [
        *(1, 0.5, True, None, "9007199254740992", "-9007199254740992", 9007199254740991, 1e300)
    ]


PLANTED = "hunter2-PLANTED-secret"
PLANTED_URL = f"https://ada:{PLANTED}@h.example.com"
FOLDER = f"{HOMES[0]}/somebody/secret-folder"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PLANTS = st.sampled_from([PLANTED_URL, f"{FOLDER}/x.bin", f"{PLANTED_URL}/x?token={PLANTED}", SECRETS[0]])
ANY = TEXT | PLANTS
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
FILES = st.builds(FileDigest, ANY, DIGESTS)
SCHEMAS = st.builds(
    lambda properties: Schema(json.dumps({"type": "object", "properties": properties}), "0" * 64),
    st.dictionaries(TEXT, st.sampled_from([{}, {"type": "string"}, {"enum": [1, "a", None]}, True]), max_size=4),
)
NAMES = st.text("abcdefgh", min_size=1, max_size=4)
FLAGS = st.lists(
    st.sampled_from(["--api-key", f"--token={PLANTED}", f"--model={FOLDER}/qwen", "--port"]).flatmap(
        lambda option: st.just([option, PLANTED] if option == "--api-key" else [option])
    ),
    max_size=4,
).map(lambda words: tuple(word for pair in words for word in pair))
SERVED = st.builds(
    Served,
    server=ANY,
    image=ANY,
    flags=FLAGS,
    environment=st.dictionaries(st.sampled_from(["HF_TOKEN", "API_KEY"]), st.just(PLANTED))
    | st.dictionaries(NAMES, ANY, max_size=2),
    hardware=ANY,
    weights=st.dictionaries(ANY, DIGESTS, max_size=2),
    chat_template=st.none() | FILES,
    adapter=st.none() | st.builds(Adapter, ANY, ANY, ANY),
)
MODELS = st.builds(
    Model,
    name=st.sampled_from("abcdefgh"),
    served_name=TEXT,
    engine=st.sampled_from(["vllm", "openai", "anthropic", "other"]),
    replicas=st.just((PLANTED_URL,)),
    auth=st.builds(Auth, st.sampled_from(["bearer", "aws"]), profile=st.just(PLANTED), credentials=st.just(FOLDER)),
    revision=ANY,
    api_key=st.sampled_from([Secret("env", "PLANTED_KEY"), Secret("file", f"{FOLDER}/{PLANTED}")]),
    ca=st.just(FOLDER),
    proxy=st.just(PLANTED_URL),
    served=SERVED,
)
TOOLS = st.builds(
    Tool,
    name=NAMES,
    description=ANY.filter(lambda text: FOLDER not in text),
    input_schema=SCHEMAS,
    implementation=st.builds(
        Implementation,
        st.none() | FILES,
        ANY,
        st.none() | st.builds(McpServer, ANY, st.just("") | st.just(PLANTED_URL), FLAGS),
    ),
    golden=st.lists(st.builds(Golden, st.just(f'"{PLANTED}"'), st.just(f'"{PLANTED}"')), max_size=2).map(tuple),
)
PROMPTS = st.builds(
    Prompt,
    st.lists(
        st.builds(Turn, st.sampled_from(["system", "user"]), TEXT | st.just(f"Ask {PLANTED_URL}")), max_size=3
    ).map(tuple),
    st.lists(NAMES, unique=True, max_size=3).map(tuple),
    DIGESTS,
    st.lists(FILES, max_size=2).map(tuple),
)
TASKS = st.builds(
    Task,
    name=NAMES,
    model=st.sampled_from("abcdefgh"),
    owner=ANY.filter(lambda text: FOLDER not in text),
    prompt=st.none() | PROMPTS,
    output=st.none() | st.builds(Output, SCHEMAS),
    context=st.builds(Context, st.sampled_from(["full", "token_window"]), max_input_tokens=st.none() | st.integers(1)),
    tools=st.lists(TOOLS, max_size=2).map(tuple),
    sampling=st.builds(
        Sampling,
        temperature=st.none() | st.floats(0, 2),
        seed=st.none() | st.integers(-(2**63), 2**63 - 1),
        stop=st.none() | st.lists(TEXT, max_size=2).map(tuple),
    ),
)
RETRIEVAL = st.builds(
    Retrieval, NAMES, ANY, ANY, ANY, st.dictionaries(NAMES, ANY | st.booleans() | st.integers(), max_size=3)
)
DATA = st.builds(
    DataSet, NAMES, FILES, DIGESTS, st.none() | st.integers(0, 10), st.none() | SCHEMAS, transform=st.none() | FILES,
    licence=TEXT, source=ANY,
)  # fmt: skip
SETTINGS = st.builds(LockSettings, st.lists(FILES, max_size=2).map(tuple), ANY)


def named(values: list[Any]) -> dict[str, Any]:
    """Things by their names."""
    return {one.name: one for one in values}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The governed project, for what is not drawn."""
    return replace(governed.read(governed.write(tmp_path_factory.mktemp("governed"))), root=ROOT)


@given(
    models=st.lists(MODELS, max_size=3),
    tasks=st.lists(TASKS, max_size=3),
    retrieval=st.lists(RETRIEVAL, max_size=2),
    data=st.lists(DATA, max_size=2),
    settings=SETTINGS,
    random=st.randoms(),
)
def test_any_declaration(
    models: list[Model],
    tasks: list[Task],
    retrieval: list[Retrieval],
    data: list[DataSet],
    settings: LockSettings,
    random: Any,
    project: Project,
) -> None:
    """Of any declaration the lock is read back as it was written, the same in any order, without what was planted."""
    drawn = replace(
        project,
        models=named(models),
        tasks=named(tasks),
        retrieval=named(retrieval),
        data_sets=named(data),
        lock=settings,
        schemas=(),
    )
    whole = resolve(drawn, None).lock
    written = encode(whole)
    assert decode(written) == whole
    assert encode(resolve(drawn, whole).lock) == written
    for planted in (PLANTED, FOLDER, "somebody", SECRETS[0], ROOT):
        assert planted.encode() not in written
    shuffled = {}
    for field in ("models", "tasks", "retrieval", "data_sets"):
        items = list(getattr(drawn, field).items())
        random.shuffle(items)
        shuffled[field] = dict(items)
    tools = {name: task.tools for name, task in shuffled["tasks"].items()}
    same_tools = {tool.name: tool for each in tools.values() for tool in each}
    if all(same_tools[tool.name] == tool for each in tools.values() for tool in each):
        assert encode(resolve(replace(drawn, **shuffled), None).lock) == written


def test_secrets_of_a_project_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What environment variables and files hold, where they lie, and the project's folder are not in its lock."""
    secret = tmp_path / "elsewhere" / "key-file"
    secret.parent.mkdir()
    secret.write_text(PLANTED)
    monkeypatch.setenv("SMALL_KEY", PLANTED)
    root = governed.write(tmp_path / "shop")
    toml = (root / "trimtab.toml").read_text().replace('"env:OPENAI_KEY"', f'"file:{secret}"')
    governed.put(root, "trimtab.toml", toml)
    written = encode(governed.locked(root))
    for planted in (PLANTED, "SMALL_KEY", "key-file", str(tmp_path)):
        assert planted.encode() not in written
    moved = with_change(governed.read(root), ("models", "small", "served", "flags"), (f"--template={root}/x.jinja",))
    assert str(root).encode() not in encode(resolve(moved, None).lock)


def declarations_with(planted: str) -> Iterator[tuple[str, str]]:
    """The files of the governed project with one text, number or key replaced, and their paths."""
    for path, text in governed.FILES.items():
        if path.endswith(".toml"):
            for found in re.finditer(r'"[^"]*"|(?<== )[0-9.]+|[a-z_]+(?= = )', text):
                yield path, f'{text[: found.start()]}"{planted}"{text[found.end() :]}'
        elif path.endswith(".json"):
            for found in re.finditer(r'"[^"]*"', text):
                yield path, f'{text[: found.start()]}"{planted}"{text[found.end() :]}'


def test_secret_in_any_place_of_a_declaration(tmp_path: Path) -> None:
    """Wherever somebody puts a key: mistakes, refusals, warnings, differences and the lock itself do not show it."""
    secret = SECRETS[0]
    before = governed.locked(governed.write(tmp_path))
    taken = 0
    for path, text in declarations_with(secret):
        governed.put(tmp_path, path, text)
        reading = read(tmp_path, cpus=2)
        told = [str(mistake) for mistake in reading.mistakes]
        if reading.project is not None:
            taken += 1
            resolved = resolve(reading.project, before)
            told += [encode(resolved.lock).decode(), repr(differences(before, resolved.lock))]
            told += [one.words for one in (*resolved.refusals, *resolved.warnings)]
        assert not [words for words in told if secret in words], path
        governed.put(tmp_path, path, governed.FILES[path])
    assert taken > 30
