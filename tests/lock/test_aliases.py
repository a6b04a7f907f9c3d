"""What moves under its name is refused with what to do, and what does not move is let be."""

from __future__ import annotations

import pytest

from trimtab.declare.project import (
    Adapter,
    Auth,
    Implementation,
    McpServer,
    Model,
    Retrieval,
    Schema,
    Served,
    Tool,
)
from trimtab.lock.aliases import bare_name, is_dated, is_fixed_revision, of_model, of_retrieval, of_tool

DATED = (
    "gpt-4o-2024-08-06",
    "gpt-4-0613",
    "gpt-4-1106-preview",
    "o3-2025-04-16",
    "claude-sonnet-4-5-20250929",
    "claude-3-opus-20240229",
    "claude-haiku-4-5@20251001",
    "us.anthropic.claude-sonnet-4-20250514-v1:0",
    "anthropic.claude-sonnet-4-6",
    "anthropic.claude-opus-4-6-v1",
    "meta.llama3-1-70b-instruct-v1:0",
    "openai.gpt-oss-120b-1:0",
    "gemini-2.0-flash-001",
    "claude-sonnet-4-6",
    "claude-opus-4-7",
    "claude-sonnet-5",
    "mistral-large-2407",
    "command-r-08-2024",
    "ft:gpt-4o-2024-08-06:shop::9xYzAbCd",
)
UNDATED = (
    "gpt-4o",
    "gpt-5",
    "gpt-5-chat-latest",
    "chatgpt-4o-latest",
    "o3",
    "gpt-4-32k",
    "claude-sonnet-4-5",
    "claude-opus-4-1",
    "claude-3-5-sonnet-latest",
    "claude-sonnet",
    "gemini-2.5-pro",
    "mistral-large-latest",
    "model-2024-08-06-latest",
)


@pytest.mark.parametrize("name", DATED)
def test_dated(name: str) -> None:
    """A date, a version, a whole fine-tune and an Anthropic name from 4.6 on stand for one snapshot."""
    assert is_dated(name)


@pytest.mark.parametrize("name", UNDATED)
def test_undated(name: str) -> None:
    """Every other name of a hosted model may stand for another snapshot tomorrow."""
    assert not is_dated(name)


def hosted(name: str, **more: object) -> Model:
    """A model of OpenAI's."""
    given = {"engine": "openai", "replicas": ("https://api.openai.com",), **more}
    return Model(name="small", served_name=name, **given)  # type: ignore[arg-type]


def refusals(model: Model, resolved: str = "", served_model: str = "") -> list[str]:
    """What is refused of a model."""
    return list(of_model(model, resolved or model.served_name, served_model))


def test_hosted_model() -> None:
    """An undated name of a hosted model is refused, unless a dated one is what is sent, or no dated form exists."""
    [words] = refusals(hosted("gpt-4o"))
    assert words.startswith('models.small.model is "gpt-4o", which its provider may move')
    assert "name a dated one" in words
    assert "trimtab lock --live" in words
    assert refusals(hosted("gpt-4o-2024-08-06")) == []
    assert refusals(hosted("gpt-4o"), resolved="gpt-4o-2024-08-06") == []
    assert refusals(hosted("gpt-x-sol"), served_model="gpt-x-sol") == []
    assert len(refusals(hosted("gpt-4o"), served_model="gpt-4o-2024-08-06")) == 1


def test_latest_is_refused_everywhere() -> None:
    """A name that says that it moves is refused at any engine, whatever its server answers."""
    for name in ("qwen:latest", "mistral-large-latest", "latest"):
        model = Model("small", name, ("http://10.0.0.1:8000",))
        [words] = refusals(model, served_model=name)
        assert "stands for another model tomorrow" in words


def test_private_model() -> None:
    """A model of one's own may have any other name."""
    assert refusals(Model("small", "jobs-small", ("http://127.0.0.1:8402",))) == []
    assert refusals(Model("small", "our-main", ("http://127.0.0.1:8402",), engine="vllm")) == []


def test_hosted_by_account() -> None:
    """Who signs in to a cloud's own service is served by others; a vLLM behind a signature is one's own."""
    aws, google = Auth("aws", region="eu-west-1", service="bedrock"), Auth("google")
    assert len(refusals(hosted("claude-sonnet-4-5", engine="other", auth=aws))) == 1
    assert len(refusals(hosted("google/gemini-2.5-pro", engine="other", auth=google))) == 1
    assert refusals(hosted("our-model", engine="other", auth=Auth("aws", service="sagemaker"))) == []
    assert refusals(hosted("our-model", engine="vllm", auth=google)) == []


def test_azure_deployment() -> None:
    """A deployment's name says nothing of its model; the revision with its date does."""
    auth = Auth("azure", api_version="2024-10-21")
    assert len(refusals(hosted("our-deployment", auth=auth))) == 1
    assert refusals(hosted("our-deployment", auth=auth, revision="2024-08-06")) == []
    assert len(refusals(hosted("our-deployment", auth=auth, revision="turbo"))) == 2


@pytest.mark.parametrize(
    "revision", ["main", "master", "HEAD", "latest", "v1", "v1.0", "9c925d6", "refs/pr/3", "A" * 40]
)
def test_moving_revision(revision: str) -> None:
    """Branches, tags and short hashes are refused."""
    assert not is_fixed_revision(revision)
    [words] = refusals(Model("small", "Qwen/Qwen3-8B", ("http://h",), engine="vllm", revision=revision))
    assert words.startswith(f'models.small.revision is "{revision}"')
    assert "40 or 64 digits" in words


@pytest.mark.parametrize("revision", ["a" * 40, "0" * 64, "sha256:" + "b" * 64])
def test_fixed_revision(revision: str) -> None:
    """A whole hash is the commit itself."""
    assert refusals(Model("small", "Qwen/Qwen3-8B", ("http://h",), engine="vllm", revision=revision)) == []


SERVED = {
    "an image by tag": (Served(image="vllm/vllm-openai:v0.32.0"), "image", "sha256:..."),
    "a server without version": (Served(server="vllm"), "server", "vllm==0.32.0"),
    "the latest server": (Served(server="vllm:latest"), "server", "names no version"),
    "an adapter by branch": (Served(adapter=Adapter("a", "b", "main")), "adapter.revision", "40 or 64"),
    "an adapter's base": (Served(adapter=Adapter("a", "qwen:latest")), "adapter.base", "name the version"),
}


@pytest.mark.parametrize("what", SERVED)
def test_served(what: str) -> None:
    """What serves a model has a digest or a version."""
    served, field, instead = SERVED[what]
    [words] = refusals(Model("small", "m", ("http://h",), served=served))
    assert f"models.small.served.{field} is" in words
    assert instead in words


def test_served_is_fixed() -> None:
    """Digests and versions are let be."""
    for image in ("sha256:" + "a" * 64, "vllm/vllm-openai@sha256:" + "a" * 64, "a" * 64):
        served = Served(server="vllm==0.32.0", image=image, adapter=Adapter("a", "b", "c" * 40))
        assert refusals(Model("small", "m", ("http://h",), served=served)) == []


COMMANDS = {
    ("npx", "-y", "@shop/refunds"): '"@shop/refunds@1.2.3"',
    ("npx", "@shop/refunds@latest"): '"@shop/refunds@1.2.3"',
    ("npx", "--package=refunds", "refunds"): '"refunds@1.2.3"',
    ("npx", "refunds@^1.2.0"): '"refunds@1.2.3"',
    ("npx", "refunds@1"): '"refunds@1.2.3"',
    ("uvx", "mcp-server-time"): '"mcp-server-time==1.2.3"',
    ("uvx", "--from", "git+https://x.example/y@main", "y"): "==1.2.3",
    ("pipx", "run", "mcp-server-time>=2"): '"mcp-server-time==1.2.3"',
    ("docker", "run", "-i", "--rm", "-e", "TOKEN", "mcp/time:latest"): '"mcp/time@sha256:..."',
    ("/usr/bin/podman", "run", "mcp/time"): '"mcp/time@sha256:..."',
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_fetched_command(command: tuple[str, ...]) -> None:
    """A command that fetches what it runs names one version of it."""
    [words] = of_tool(mcp(command))
    assert words.startswith("tools/pay.json: implementation.mcp.command has ")
    assert COMMANDS[command] in words


FIXED_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("npx", "-y", "@shop/refunds@1.4.2", "--latest"),
    ("npx", "./servers/refunds.js"),
    ("uvx", "mcp-server-time==0.6.2"),
    ("uvx", "mcp-server-time@0.6.2"),
    ("uvx", "--from=mcp-server-time==0.6.2", "run"),
    ("uvx", "--from", "git+https://x.example/y@" + "a" * 40, "y"),
    ("docker", "run", "-i", "mcp/time@sha256:" + "a" * 64, "--latest"),
    ("python", "-m", "server"),
    ("npx",),
)


@pytest.mark.parametrize("command", FIXED_COMMANDS, ids=" ".join)
def test_fixed_command(command: tuple[str, ...]) -> None:
    """One version, a file of the project, and what fetches nothing are let be."""
    assert list(of_tool(mcp(command))) == []


def mcp(command: tuple[str, ...]) -> Tool:
    """A tool that an MCP server offers."""
    made = Implementation(mcp=McpServer("pay", command=command))
    return Tool("pay", "Pays.", Schema("{}", "0" * 64), implementation=made)


def test_package() -> None:
    """A package is one version of it."""
    for package, right in (
        ("refunds==1.2.3", True),
        ("refunds>=1", False),
        ("refunds", False),
        ("refunds==1.*", False),
    ):
        tool = Tool("pay", "Pays.", Schema("{}", "0" * 64), implementation=Implementation(package=package))
        assert (list(of_tool(tool)) == []) is right


def test_retrieval() -> None:
    """A corpus or an embedding model by a moving name is refused."""
    [one, other] = of_retrieval(Retrieval("manuals", "manuals:latest", embedding_model="bge/main"))
    assert 'retrieval.manuals.corpus is "manuals:latest"' in one
    assert 'retrieval.manuals.embedding_model is "bge/main"' in other
    assert list(of_retrieval(Retrieval("manuals", "manuals-2026-11-01", embedding_model="bge-m3"))) == []


def test_bare_name() -> None:
    """What platforms put before a name is not of the name."""
    assert bare_name("us.anthropic.claude-sonnet-4-20250514-v1:0") == "claude-sonnet-4-20250514-v1:0"
    assert bare_name("models/gemini-2.0-flash-001") == "gemini-2.0-flash-001"
    assert bare_name("gpt-4.1-2025-04-14") == "gpt-4.1-2025-04-14"
