"""The product's Ollama in a container of the test's own, on a loopback port, with models that the test makes."""

from __future__ import annotations

import os
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.integration.built import built_image
from tests.integration.core import wait_for
from tests.integration.postgres import free_port

from skerry.base.paths import find_checkout
from skerry.base.process import Completed, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CREATE_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Ollama:
    """A running server: container, address without a path, folders of its models and of what they are made from."""

    name: str
    url: str
    models: Path
    given: Path

    def create(self, model: str, weights: bytes, modelfile: str, *, check: bool = True) -> Completed:
        """Make a model from a file of weights and a Modelfile that calls it `./weights.gguf`."""
        folder = self.given / model
        folder.mkdir()
        (folder / "weights.gguf").write_bytes(weights)
        (folder / "Modelfile").write_text(modelfile)
        words = ["podman", "exec", self.name, "ollama", "create", model, "-f", f"/given/{model}/Modelfile"]
        return run(words, check=check, deadline_s=CREATE_DEADLINE_S)

    def logs(self) -> str:
        """Return what it has written."""
        done = run(["podman", "logs", self.name])
        return done.stdout + done.stderr


@contextmanager
def running_ollama(folder: Path) -> Iterator[Ollama]:
    """Run Ollama with the environment that its service gives it; models in `folder`, which it can write here."""
    checkout = find_checkout()
    service = tomllib.loads((checkout.services / "ollama.toml").read_text())
    uid = tomllib.loads(checkout.release.read_text())["uids"]["ollama"]
    port = free_port()
    models, given = folder / "models", folder / "given"
    models.mkdir()
    given.mkdir()
    os.chown(models, uid, uid)
    ollama = Ollama(f"coretest-ollama-{port}", f"http://127.0.0.1:{port}", models, given)
    environment = {**service["environment"], "OLLAMA_HOST": f"127.0.0.1:{port}"}
    try:
        run(
            [
                *("podman", "run", "--detach", "--pull=never", f"--name={ollama.name}", "--network=host"),
                *(f"--user={uid}", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"),
                f"--volume={models}:/models",
                f"--volume={given}:/given:ro",
                "--tmpfs=/tmp:rw,mode=1777",
                *(f"--env={key}={value}" for key, value in environment.items()),
                *(built_image("ollama"), *service["command"]),
            ]
        )
        wait_for(ollama.url)
        yield ollama
    finally:
        run(["podman", "rm", "--force", "--time=0", ollama.name], check=False)
