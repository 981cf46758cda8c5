"""Ask a served model the held-out questions and report how many it answers exactly, by kind.

`PYTHONPATH=src:. python models/smoke/evaluate.py --base-url http://127.0.0.1:11434/v1 --model skerry-smoke` works
against any server of the chat completions API. Values, file names and phrasings are ones that training never sees. A
conversation counts only when every call is the one expected, and alone, and the answer is exact to the letter; every
second one is streamed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import time
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from models.smoke import chat, data, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS: tuple[tuple[str, ...], ...] = (
    ("error",),
    ("error",),
    ("error",),
    ("none",),
    ("denied",),
    ("unread",),
    ("error", "denied"),
    ("error", "denied"),
    ("none", "denied"),
    ("error", "unread"),
    (),
)
"""What is asked in turn; the empty one is small talk."""
BAR_KINDS = frozenset({"error", "none", "error+denied", "none+denied"})


@dataclass(frozen=True)
class Server:
    """Where the model is served."""

    base_url: str
    model: str
    key: str = ""
    timeout_s: float = 120.0

    def _post(self, body: dict[str, Any]) -> http.client.HTTPResponse:
        url = urllib.parse.urlsplit(self.base_url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=self.timeout_s)
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {self.key}"} if self.key else {})
        connection.request("POST", f"{url.path.rstrip('/')}/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise SystemExit(
                f"{self.base_url} answered {response.status}: {response.read(400)!r}\n"
                "Is the model loaded, and the key right?"
            )
        return response

    def reply(self, messages: list[chat.Message], tools: list[dict[str, Any]], *, stream: bool) -> chat.Message:
        """Return the assistant's next message; text and calls of a stream are put together."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "temperature": 0,
            "max_tokens": 400,
            "stream": stream,
        }
        if tools:
            body["tools"] = tools
        response = self._post(body)
        if not stream:
            message: chat.Message = json.load(response)["choices"][0]["message"]
            return message
        content = ""
        calls: list[dict[str, Any]] = []
        for delta in _deltas(response):
            content += delta.get("content") or ""
            calls += delta.get("tool_calls") or []
        return {"role": "assistant", "content": content, "tool_calls": _joined(calls)}


def _deltas(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    for line in response:
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:])["choices"]:
                yield choice["delta"]


def _joined(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return whole calls from a stream's parts: a part with a name opens a call, others add to its arguments."""
    calls: list[dict[str, Any]] = []
    for part in parts:
        function = part.get("function") or {}
        if function.get("name"):
            calls.append(
                {
                    "id": part.get("id"),
                    "function": {"name": function["name"], "arguments": function.get("arguments") or ""},
                }
            )
        elif calls:
            calls[-1]["function"]["arguments"] += function.get("arguments") or ""
    return calls


def _same(wanted: chat.Message, got: chat.Message) -> bool:
    def calls(message: chat.Message) -> list[tuple[str, object]]:
        return [(each["function"]["name"], _arguments_of(each)) for each in message.get("tool_calls") or []]

    return calls(wanted) == calls(got) and (wanted.get("content") or "") == (got.get("content") or "")


def _arguments_of(call: dict[str, Any]) -> object:
    try:
        return json.loads(call["function"]["arguments"])
    except ValueError:
        return call["function"]["arguments"]


@dataclass
class Report:
    """Counts by kind, and the misses."""

    asked: Counter[str] = field(default_factory=Counter)
    exact: Counter[str] = field(default_factory=Counter)
    misses: list[dict[str, Any]] = field(default_factory=list)
    replies: int = 0
    seconds: float = 0.0

    def share(self, kinds: frozenset[str] | None = None) -> float:
        """Return the share of exact conversations of these kinds (default: of all)."""
        chosen = [kind for kind in self.asked if kinds is None or kind in kinds]
        return sum(self.exact[kind] for kind in chosen) / max(1, sum(self.asked[kind] for kind in chosen))


def converse(server: Server, conversation: data.Conversation, report: Report, *, stream: bool) -> None:
    """Play one conversation against the server and count it."""
    report.asked[conversation.kind] += 1
    user = max(at for at, message in enumerate(conversation.messages) if message["role"] == "user")
    for at, wanted in enumerate(conversation.messages):
        if wanted["role"] != "assistant" or at < user:
            continue
        begun = time.monotonic()
        got = server.reply(conversation.messages[:at], conversation.tools, stream=stream)
        report.seconds += time.monotonic() - begun
        report.replies += 1
        if not _same(wanted, got):
            ask = conversation.messages[user]["content"]
            report.misses.append({"kind": conversation.kind, "ask": ask, "wanted": wanted, "got": got})
            return
    report.exact[conversation.kind] += 1


def evaluate(server: Server, count: int, seed: int, lines: tuple[int, int]) -> Report:
    """Ask `count` held-out questions, the kinds by turns."""
    random, report = Random(seed), Report()  # noqa: S311 - questions, no secrets
    mix = data.Mix(lines=lines, held_out=True)
    for number in range(count):
        outcomes = KINDS[number % len(KINDS)]
        conversation = data.reading(random, mix, outcomes) if outcomes else data.talk(random, held_out=True)
        converse(server, conversation, report, stream=number % 2 == 1)
    return report


def evaluate_plain(server: Server, count: int, seed: int, lines: tuple[int, int]) -> Report:
    """Ask `count` questions of the narrow kind (plain.py), with values that training never saw."""
    random, report = Random(seed), Report()  # noqa: S311 - questions, no secrets
    for number in range(count):
        converse(server, plain.conversation(random, lines), report, stream=number % 2 == 1)
    return report


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", required=True, help="the server's API, up to and with /v1")
    parser.add_argument("--model", required=True, help="the model's name there")
    parser.add_argument(
        "--key-file", type=argparse.FileType(), help="file that holds the bearer token, if the server asks for one"
    )
    parser.add_argument("--count", type=int, default=220, help="questions (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="where the questions come from (default: %(default)s)")
    parser.add_argument(
        "--lines", type=int, nargs=2, default=(5, 24), help="fewest and most lines of a log (default: 5 24)"
    )
    parser.add_argument("--plain", action="store_true", help="ask the narrow questions of plain.py instead")
    parser.add_argument(
        "--bar", type=float, default=0.95, help="share that must be exact, else exit status 1 (default: %(default)s)"
    )
    parser.add_argument("--misses", type=int, default=10, help="how many misses to print (default: %(default)s)")
    return parser.parse_args()


def main() -> int:
    """Evaluate as the command line says; 0 when the bar is met."""
    arguments = _arguments()
    key = arguments.key_file.read().strip() if arguments.key_file else ""
    server = Server(arguments.base_url, arguments.model, key)
    questions = evaluate_plain if arguments.plain else evaluate
    report = questions(server, arguments.count, arguments.seed, tuple(arguments.lines))
    for miss in report.misses[: arguments.misses]:
        print(json.dumps(miss, ensure_ascii=False))
    for kind, asked in sorted(report.asked.items()):
        print(f"{kind:14} {report.exact[kind]:4} of {asked:4}  {100 * report.exact[kind] / asked:5.1f} %")
    barred = report.share(BAR_KINDS)
    print(
        f"files and denials {100 * barred:.1f} % exact, all {100 * report.share():.1f} %,"
        f" {1000 * report.seconds / max(1, report.replies):.0f} ms a reply"
    )
    return 0 if barred >= arguments.bar else 1


if __name__ == "__main__":
    sys.exit(main())
