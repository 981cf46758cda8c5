"""The command `skerry`: its groups, put together.

`skerry stack`, `skerry images` need no more than the standard library and typer.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from skerry import __version__
from skerry.cli import bootstrap, demo, errors, images, models, run, stack

app = typer.Typer(
    help="Skerry: an AI-agent control plane in a box.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"skerry {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Skerry: an AI-agent control plane in a box."""


app.add_typer(stack.app, name="stack")
app.add_typer(images.app, name="images")
app.add_typer(bootstrap.workers, name="workers")
app.add_typer(models.app, name="models")
app.command("bootstrap")(bootstrap.bootstrap)
app.command("run")(run.run)
app.command("demo")(demo.demo)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; `--debug` anywhere shows tracebacks."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = errors.DEBUG in words
    rest = [word for word in words if word != errors.DEBUG]
    return errors.run(lambda: app(args=rest, prog_name="skerry", standalone_mode=False), debug=debug)


if __name__ == "__main__":
    sys.exit(main())
