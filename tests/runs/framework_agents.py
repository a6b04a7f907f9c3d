"""One agent in three frameworks, whose tools are the SDK's and whose clients bear the run's headers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import agents
from langchain.agents import create_agent
from langchain_core.tools import tool as langchain_tool
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.gateway.harness import KEY
from trimtab import headers, model, run, stamps, together, tool

CALLED: Counter[str] = Counter()
QUESTION = "Where does Ada's order go, and will it rain there?"


@tool(effect="read")
async def find_order(customer: str) -> str:
    """Orders of a customer."""
    CALLED["find_order"] += 1
    return f"12 lamps for {customer}, to be sent to Paris"


@tool(effect="write")
async def get_weather(city: str) -> str:
    """Weather for a city, which must be asked for once."""
    CALLED["get_weather"] += 1
    return f"rain in {city}"


def http() -> Any:
    """A client whose calls are steps of the run that makes them."""
    return DefaultAsyncHttpxClient(event_hooks=stamps.hooks)


def openai(url: str, client: Any) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=url + "/v1", api_key=KEY.decode(), max_retries=0, http_client=client)


@run(task="support", without="url")
async def pydantic_ai(question: str, url: str) -> str:
    """An agent of pydantic-ai."""
    async with http() as client:
        chat = OpenAIChatModel("support", provider=OpenAIProvider(openai_client=openai(url, client)))
        agent = Agent(chat, tools=[find_order, get_weather], instructions="Help.")
        return (await agent.run(question)).output


@run(task="support", without="url")
async def pydantic_ai_streamed(question: str, url: str) -> str:
    """The same, streamed."""
    async with http() as client:
        chat = OpenAIChatModel("support", provider=OpenAIProvider(openai_client=openai(url, client)))
        agent = Agent(chat, tools=[find_order, get_weather], instructions="Help.")
        async with agent.run_stream(question) as result:
            return await result.get_output()


@run(task="support", without="url")
async def langgraph(question: str, url: str) -> str:
    """A graph of LangGraph."""
    async with http() as client:
        chat = ChatOpenAI(
            model="support", base_url=url + "/v1", api_key=KEY.decode(), max_retries=0, http_async_client=client
        )
        graph: Any = create_agent(
            chat, [langchain_tool(find_order), langchain_tool(get_weather)], system_prompt="Help."
        )
        found = await graph.ainvoke({"messages": [{"role": "user", "content": question}]})
        return str(found["messages"][-1].text)


@run(task="support", without="url")
async def openai_agents(question: str, url: str) -> str:
    """An agent of the OpenAI Agents SDK."""
    async with http() as client:
        agent = agents.Agent(
            name="orders",
            instructions="Help.",
            model=agents.OpenAIChatCompletionsModel("support", openai(url, client)),
            tools=[agents.function_tool(find_order), agents.function_tool(get_weather)],
        )
        silent = agents.RunConfig(tracing_disabled=True)
        return str((await agents.Runner.run(agent, question, run_config=silent)).final_output)


@run(task="support", without="url")
async def own(question: str, url: str) -> str:
    """No framework: the SDK, and a call whose headers are given by hand."""
    kind = await model("triage", question)
    found = await together(find_order, ["Ada"])
    weather = await get_weather("Paris")
    async with DefaultAsyncHttpxClient() as client:
        body = {"model": "support", "messages": [{"role": "user", "content": f"{kind.text} {found} {weather}"}]}
        bearing = {"authorization": f"Bearer {KEY.decode()}", **headers()}
        answer = await client.post(url + "/v1/chat/completions", json=body, headers=bearing)
        return str(answer.json()["choices"][0]["message"]["content"])


AGENTS: dict[str, Any] = {
    "own": own,
    "pydantic-ai": pydantic_ai,
    "pydantic-ai streamed": pydantic_ai_streamed,
    "langgraph": langgraph,
    "openai-agents": openai_agents,
}
