"""Progress that a person can watch and a log can keep: a line when a step starts, one with its time at its end.

On a terminal the running step is redrawn once a second; elsewhere (CI, a pipe) there are plain lines, one more each
half minute while a step goes on.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from skerry.base import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

REDRAW_S = 1.0
REMIND_S = 30.0


class Progress:
    """Prints named steps with their times to `stream`. Safe to use from several threads."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._lock = threading.Lock()
        self._running: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Print one line at once."""
        with self._lock:
            self._clear()
            self._stream.write(text + "\n")
            self._stream.flush()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step: `name ...` while it runs, `name  12.3 s` when it is done, `name  failed` when it raises."""
        start = clock.monotonic()
        with self._lock:
            self._running[name] = start
            if not self._live:
                self._stream.write(f"  .. {name}\n")
                self._stream.flush()
        stop = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(stop, name, start), daemon=True)
        ticker.start()
        outcome = "failed"
        try:
            yield
            outcome = "ok"
        finally:
            stop.set()
            ticker.join()
            with self._lock:
                self._running.pop(name, None)
                self._clear()
                self._stream.write(f"  {outcome:<6} {name}  {clock.monotonic() - start:.1f} s\n")
                self._stream.flush()

    def _tick(self, stop: threading.Event, name: str, start: float) -> None:
        while not stop.wait(REDRAW_S if self._live else REMIND_S):
            if not self._live:
                self.say(f"  .. {name}  {clock.monotonic() - start:.0f} s")
                continue
            with self._lock:
                self._clear()
                text = ", ".join(f"{name} {clock.monotonic() - start:.0f} s" for name, start in self._running.items())
                self._stream.write(f"  .. {text}"[:118])
                self._stream.flush()

    def _clear(self) -> None:
        if self._live:
            self._stream.write("\r\x1b[2K")
