"""Start the model door: `python -m skerry.llm.serve`. Renders LiteLLM's configuration, sets its switches, serves."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn

from skerry.base.errors import SkerryError
from skerry.llm.routing import MASTER_KEY_VARIABLE, render_config
from skerry.llm.settings import read_settings

if TYPE_CHECKING:
    from skerry.llm.settings import Settings

SWITCHES: Final = {
    "LITELLM_MODE": "PRODUCTION",  # reads no .env file
    "LITELLM_OFFLINE_MODE": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # its price list comes with it
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "ERROR",
    "LITELLM_DONT_SHOW_FEEDBACK_BOX": "true",
    "DISABLE_ADMIN_UI": "True",
    "NO_DOCS": "True",
    "NO_REDOC": "True",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}
LITELLM_LOGGER = "LiteLLM Proxy"
GRACE_S = 10
KEEP_ALIVE_S = 75


def is_worth_logging(record: logging.LogRecord) -> bool:
    """Leave out what LiteLLM says at each start about its web console, which the image leaves out."""
    return "UI" not in str(record.msg).split()


def serve(settings: Settings) -> None:
    """Serve until told to stop.

    Raises:
        InvalidInputError: `model.catalog`.
    """
    config = render_config(settings.catalog, ollama_base_url=settings.ollama_url)
    with tempfile.TemporaryDirectory() as folder:  # noqa: TID251  a container keeps nothing
        place = Path(folder) / "config.yaml"
        place.write_text(config)
        # What is set after a process has started shows in no listing of its environment.
        os.environ.update(SWITCHES)  # noqa: TID251  LiteLLM has no other door for them, and reads them when imported
        os.environ.update({"CONFIG_FILE_PATH": str(place), MASTER_KEY_VARIABLE: settings.master_key})  # noqa: TID251
        logging.getLogger(LITELLM_LOGGER).addFilter(is_worth_logging)
        application = importlib.import_module("skerry.llm.application").create(settings)
        uvicorn.run(
            application,
            host=settings.host,
            port=settings.port,
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=KEEP_ALIVE_S,
        )


def main() -> int:
    """Run the door; a failure to start is two lines."""
    try:
        serve(read_settings())
    except SkerryError as error:
        sys.stderr.write(f"{error.message} [{error.code}]\n{error.hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    outcome = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing is left to save, and tearing down the interpreter takes seconds with what LiteLLM has imported.
    os._exit(outcome)
