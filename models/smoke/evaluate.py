"""Ask a served model held-out questions as the product asks, and report how many it answers exactly, by kind.

`PYTHONPATH=src:. python models/smoke/evaluate.py --base-url http://127.0.0.1:11434/v1 --model skerry-smoke` works
against any server of the chat completions API. Values, file names and phrasings are ones that training never sees.
Each of the model's turns is asked for with what should have come before it; every second question is streamed. An ask
counts as called right when every call is the one expected, alone and exact; as answered right when the last text is
exact to the letter.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx
from models.smoke.questions import QUESTIONS, UNKNOWN, Report, converse, questions

from skerry.agent.completion import Collector, render_request
from skerry.agent.protocol import Call, Message, Outcome, Turn
from skerry.base import clock

if TYPE_CHECKING:
    from models.smoke import chat, data

MAX_TOKENS: Final = 400


@dataclass(frozen=True)
class Server:
    """Where the model is served."""

    base_url: str
    model: str
    key: str = ""
    timeout_s: float = 120.0

    def open(self) -> httpx.Client:
        """Return a client that stands at the server's API."""
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.Client(
            base_url=self.base_url.rstrip("/"), headers=headers, timeout=self.timeout_s, trust_env=False
        )


def _message(message: chat.Message) -> Message:
    calls = tuple(
        Call(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or []
    )
    if message["role"] == "tool":
        return Message("tool", "", call_id=message["tool_call_id"], outcome=Outcome("completed", message["content"]))
    return Message(message["role"], message["content"], calls)


def request(server: Server, messages: list[chat.Message], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the product's own request for the next turn; only tools the product does not have are put in here."""
    turn = Turn(
        done=False,
        calls=0,
        message_id="",
        model=server.model,
        system_prompt="",
        max_tokens=MAX_TOKENS,
        temperature=0.0,
        tools=tuple(tool["function"]["name"] for tool in tools),
        messages=tuple(map(_message, messages[1:])),
    )
    body = render_request(turn)
    body["messages"][0]["content"] = messages[0]["content"]
    return {**body, "tools": tools} if tools else body


def reply(client: httpx.Client, body: dict[str, Any], *, stream: bool) -> chat.Message:
    """Return the assistant's next message.

    Raises:
        httpx.HTTPStatusError: the server refused.
    """
    if not stream:
        plain = {name: value for name, value in body.items() if name != "stream_options"}
        answer = client.post("/chat/completions", json={**plain, "stream": False})
        answer.raise_for_status()
        message: chat.Message = answer.json()["choices"][0]["message"]
        return message
    collector = Collector(clock.monotonic())
    with client.stream("POST", "/chat/completions", json=body) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            collector.take(line)
    whole = collector.answer()
    calls = [{"id": call.id, "function": {"name": call.name, "arguments": call.arguments}} for call in whole.calls]
    return {"role": "assistant", "content": whole.content, "tool_calls": calls}


def evaluate(server: Server, asked: list[data.Conversation]) -> Report:
    """Ask a server; every second conversation is streamed."""
    report = Report()
    with server.open() as client:
        for number, conversation in enumerate(asked):
            stream = number % 2 == 1
            converse(
                lambda messages, tools, stream=stream: reply(  # type: ignore[misc]
                    client, request(server, messages, tools), stream=stream
                ),
                conversation,
                report,
            )
    return report


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", required=True, help="the server's API, up to and with /v1")
    parser.add_argument("--model", required=True, help="the model's name there")
    parser.add_argument(
        "--key-file", type=argparse.FileType(), help="file that holds the bearer token, if the server asks for one"
    )
    parser.add_argument("--count", type=int, default=1000, help="questions (default: %(default)s)")
    parser.add_argument("--unknown", type=int, default=100, help="questions for unknown tools (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="where the questions come from (default: %(default)s)")
    parser.add_argument(
        "--bar", type=float, default=0.98, help="share that must be exact, else exit status 1 (default: %(default)s)"
    )
    parser.add_argument("--misses", type=int, default=10, help="how many misses to print (default: %(default)s)")
    return parser.parse_args()


def main() -> int:
    """Evaluate as the command line says; 0 when the bar is met."""
    arguments = _arguments()
    key = arguments.key_file.read().strip() if arguments.key_file else ""
    server = Server(arguments.base_url, arguments.model, key)
    report = evaluate(server, questions(arguments.count, arguments.seed, QUESTIONS))
    for miss in report.misses[: arguments.misses]:
        print(json.dumps(miss, ensure_ascii=False))
    print("\n".join(report.lines()))
    if arguments.unknown:
        print("\ntools that the product does not have (no bar)")
        print("\n".join(evaluate(server, questions(arguments.unknown, arguments.seed, UNKNOWN)).lines()))
    return 0 if min(report.calls_right, report.answers_right) >= arguments.bar else 1


if __name__ == "__main__":
    sys.exit(main())
