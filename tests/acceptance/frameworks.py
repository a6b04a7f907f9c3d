"""Agents of three frameworks and of Anthropic's client, built as their documentation builds them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import agents
from anthropic import AsyncAnthropic, beta_async_tool
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider


@dataclass
class Errand:
    """What an agent is sent to do: whom to ask, what, and what its two tools find; `called` keeps how it calls them."""

    url: str
    task: str
    stream: bool
    instructions: str
    question: str
    order: str
    weather: str
    called: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def tools(self) -> tuple[Callable[..., str], Callable[..., str]]:
        """The two tools."""

        def get_weather(city: str, day: str) -> str:
            """Weather for a city."""
            self.called.append(("get_weather", {"city": city, "day": day}))
            return self.weather

        def find_order(customer: str) -> str:
            """Orders of a customer."""
            self.called.append(("find_order", {"customer": customer}))
            return self.order

        return get_weather, find_order


Run = Callable[[Errand], Awaitable[str]]
"""Runs an agent once and gives its last words."""


def pydantic_ai(api: str) -> Run:
    """An agent of pydantic-ai over chats, responses or messages."""

    async def run(errand: Errand) -> str:
        if api == "messages":
            async with AsyncAnthropic(base_url=errand.url, api_key="none", max_retries=0) as anthropic:
                return await ask(
                    errand, AnthropicModel(errand.task, provider=AnthropicProvider(anthropic_client=anthropic))
                )
        kind = OpenAIChatModel if api == "chat" else OpenAIResponsesModel
        async with AsyncOpenAI(base_url=errand.url + "/v1", api_key="none", max_retries=0) as openai:
            return await ask(errand, kind(errand.task, provider=OpenAIProvider(openai_client=openai)))

    async def ask(errand: Errand, model: Any) -> str:
        agent = Agent(model, tools=errand.tools(), instructions=errand.instructions)
        if not errand.stream:
            return (await agent.run(errand.question)).output
        async with agent.run_stream(errand.question) as result:
            return await result.get_output()

    return run


def langchain(api: str) -> Run:
    """An agent of langchain over chats or responses."""

    async def run(errand: Errand) -> str:
        async with DefaultAsyncHttpxClient() as http:  # its own is kept for ever
            model = ChatOpenAI(
                model=errand.task,
                base_url=errand.url + "/v1",
                api_key="none",
                max_retries=0,
                use_responses_api=api == "responses",
                streaming=errand.stream,
                http_async_client=http,
            )
            tools = [tool(each) for each in errand.tools()]
            agent: Any = create_agent(model, tools, system_prompt=errand.instructions)
            asked = {"messages": [{"role": "user", "content": errand.question}]}
            if not errand.stream:
                return str((await agent.ainvoke(asked))["messages"][-1].text)
            said = [message async for message, _ in agent.astream(asked, stream_mode="messages")]
            return "".join(message.text for message in said if message.type == "AIMessageChunk")

    return run


def openai_agents(api: str) -> Run:
    """An agent of openai-agents over chats or responses."""

    async def run(errand: Errand) -> str:
        kind: Any = agents.OpenAIChatCompletionsModel if api == "chat" else agents.OpenAIResponsesModel
        silent = agents.RunConfig(tracing_disabled=True)  # else it reports to its maker
        async with AsyncOpenAI(base_url=errand.url + "/v1", api_key="none", max_retries=0) as client:
            agent = agents.Agent(
                name="orders",
                instructions=errand.instructions,
                model=kind(errand.task, client),
                tools=[agents.function_tool(each) for each in errand.tools()],
            )
            if not errand.stream:
                return str((await agents.Runner.run(agent, errand.question, run_config=silent)).final_output)
            result = agents.Runner.run_streamed(agent, errand.question, run_config=silent)
            async for _ in result.stream_events():
                pass
            return str(result.final_output)

    return run


async def anthropic_runner(errand: Errand) -> str:
    """The tool runner of Anthropic's own client, which has the server hold the conversation if it can."""
    get_weather, find_order = errand.tools()

    @beta_async_tool(name="get_weather", description="Weather for a city.")
    async def weather(city: str, day: str) -> str:
        return get_weather(city=city, day=day)

    @beta_async_tool(name="find_order", description="Orders of a customer.")
    async def order(customer: str) -> str:
        return find_order(customer=customer)

    async with AsyncAnthropic(base_url=errand.url, api_key="none", max_retries=0) as client:
        runner: Any = client.beta.messages.tool_runner(
            model=errand.task,
            max_tokens=64,
            system=errand.instructions,
            tools=[weather, order],
            messages=[{"role": "user", "content": errand.question}],
            stream=errand.stream,
        )
        said = [await turn.get_final_message() if errand.stream else turn async for turn in runner]
        return str(said[-1].content[-1].text)


async def pydantic_ai_typed(url: str, task: str, question: str, kind: type[BaseModel]) -> BaseModel:
    """An answer as a class, which pydantic-ai has the model give as the call of a tool."""
    async with AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as client:
        model = AnthropicModel(task, provider=AnthropicProvider(anthropic_client=client))
        return (await Agent(model, output_type=ToolOutput(kind)).run(question)).output


async def pydantic_ai_native(url: str, task: str, question: str, kind: type[BaseModel]) -> BaseModel:
    """The same as the model's own structured answer."""
    async with AsyncOpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client:
        model = OpenAIChatModel(task, provider=OpenAIProvider(openai_client=client))
        return (await Agent(model, output_type=NativeOutput(kind)).run(question)).output


async def langchain_typed(url: str, task: str, question: str, kind: type[BaseModel]) -> BaseModel:
    """An answer as a class, which langchain asks for by a schema."""
    async with DefaultAsyncHttpxClient() as http:
        model = ChatOpenAI(model=task, base_url=url + "/v1", api_key="none", max_retries=0, http_async_client=http)
        found = await model.with_structured_output(kind, method="json_schema").ainvoke(question)
        assert isinstance(found, kind)
        return found


async def openai_agents_typed(url: str, task: str, question: str, kind: type[BaseModel]) -> BaseModel:
    """An answer as a class, which openai-agents asks for by a schema."""
    async with AsyncOpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client:
        agent = agents.Agent(name="a", model=agents.OpenAIChatCompletionsModel(task, client), output_type=kind)
        silent = agents.RunConfig(tracing_disabled=True)
        found = (await agents.Runner.run(agent, question, run_config=silent)).final_output
        assert isinstance(found, kind)
        return found


TYPED = (pydantic_ai_typed, pydantic_ai_native, langchain_typed, openai_agents_typed)
RUNS: dict[str, Run] = {
    "pydantic-ai-chat": pydantic_ai("chat"),
    "pydantic-ai-responses": pydantic_ai("responses"),
    "pydantic-ai-messages": pydantic_ai("messages"),
    "langchain-chat": langchain("chat"),
    "langchain-responses": langchain("responses"),
    "openai-agents-chat": openai_agents("chat"),
    "openai-agents-responses": openai_agents("responses"),
    "anthropic-messages": anthropic_runner,
}
CARRIED = tuple(
    (name, wire)
    for name in RUNS
    for wire in ("openai", "anthropic")
    if (name.endswith("-responses"), wire) != (True, "anthropic")
)
"""Each agent and the wires on which it can be carried; the Responses API has no translation."""
