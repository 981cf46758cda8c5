"""`skerry models`: make the weights that come with the product, try a model before agents get it."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003  typer reads the annotation
from typing import Annotated, Final

import typer

from skerry.base import clock
from skerry.base.errors import InvalidInputError
from skerry.base.paths import default_cache, find_checkout, write_atomic
from skerry.base.progress import Progress
from skerry.conformance.admission import LEVELS, TOOLS
from skerry.conformance.case import Subject
from skerry.conformance.endpoint import Endpoint
from skerry.conformance.report import Report, render_object, render_text
from skerry.conformance.run import run_cases
from skerry.conformance.suite import all_cases, choose
from skerry.weights import build as weights

app = typer.Typer(help="Models of this site.", no_args_is_help=True)

CONTEXT_TOKENS: Final = 131_072
ANSWER_TOKENS: Final = 512
DEADLINE_S: Final = 120.0
WELL, NOT_WELL = 0, 1


@app.callback()
def models() -> None:
    """Models of this site."""


@app.command("build")
def build_weights() -> None:
    """Make the weights that are not committed, once: fetch by digest, convert without a network, compare."""
    checkout = find_checkout()
    places = weights.build(checkout, default_cache(), progress=Progress())
    for one, place in zip(weights.made_models(checkout), places, strict=True):
        sys.stdout.write(f"{one.id}  {place}\n")


@app.command("conformance")
def conformance(
    *,
    base_url: Annotated[str, typer.Option(help="The server's API, up to and with /v1.")],
    model: Annotated[str, typer.Option(help="The model's name there.")],
    key_file: Annotated[Path | None, typer.Option(help="File with the bearer token, if the server asks.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Roots to trust (PEM); the system's own by default.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="A group of cases; may be given again.")] = None,
    level: Annotated[str, typer.Option(help="What exit status 0 stands for: chat or tools.")] = TOOLS,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the report there.")] = None,
    timeout: Annotated[float, typer.Option(help="Longest wait for one answer, in seconds.", min=1)] = DEADLINE_S,
    context_tokens: Annotated[
        int, typer.Option(help="The model's context; over-long prompts are sized by it.", min=256)
    ] = CONTEXT_TOKENS,
    max_tokens: Annotated[
        int, typer.Option(help="Longest answer asked for; more for a model that thinks.", min=64)
    ] = ANSWER_TOKENS,
) -> None:
    """Try a model behind an OpenAI-compatible server, case by case; say whom it may serve.

    The cases and the rules of admission: docs/conformance.md. Exit status 0: admitted.
    """
    if level not in LEVELS:
        raise InvalidInputError("conformance.level", f"there is no level {level!r}", f"levels: {', '.join(LEVELS)}")
    cases = choose(all_cases(Subject(model, context_tokens, max_tokens)), only or [])
    started_at, start = clock.now(), clock.monotonic()
    with Endpoint(base_url, model, key=read_key(key_file), deadline_s=timeout, ca=ca_file) as endpoint:
        endpoint.want_server()
        results = run_cases(cases, endpoint, progress=Progress())
    report = Report(model, endpoint.base_url, started_at, clock.monotonic() - start, results, whole=not only)
    if json_file is not None:
        body = json.dumps(render_object(report), indent=1, ensure_ascii=False)
        write_atomic(json_file, f"{body}\n".encode(errors="replace"))
    sys.stdout.write(render_text(report))
    raise typer.Exit(WELL if report.well(level) else NOT_WELL)


def read_key(path: Path | None) -> str:
    """Return the token that a file holds; nothing when there is no file to read.

    Raises:
        InvalidInputError: `conformance.key_file`.
    """
    if path is None:
        return ""
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            "conformance.key_file", f"{path} cannot be read: {error}", "name a file with the token"
        ) from error
    if not key.isascii() or not key.isprintable() or not key:
        raise InvalidInputError("conformance.key_file", f"{path} holds no token", "put the token alone into the file")
    return key
