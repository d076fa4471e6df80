"""One run of the window, watched by a timer: ``python -m benchmarks.window_run WHAT …``.

The last line on standard output is a JSON object of figures.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QEventLoop, QObject, QSettings, Qt, QTimer, SignalInstance
from PySide6.QtWidgets import QApplication

TICK_MS = 1
"""How often the window's thread is asked whether it is free."""


class Watch(QObject):
    """The longest time for which the thread was not free."""

    def __init__(self) -> None:
        super().__init__()
        self._last = time.perf_counter()
        self.longest_ms = 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.longest_ms = max(self.longest_ms, (now - self._last) * 1000 - TICK_MS)
        self._last = now

    def anew(self) -> None:
        self._last = time.perf_counter()
        self.longest_ms = 0.0

    def taken_ms(self) -> float:
        self._tick()
        return self.longest_ms


class Painted(QObject):
    """When a window was painted for the first time."""

    at = 0.0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.UpdateRequest and not self.at:
            QTimer.singleShot(0, self._note)
        return False

    def _note(self) -> None:
        self.at = self.at or time.time()


def main() -> int:
    what, *words = sys.argv[1:]
    runs: dict[str, Callable[..., dict[str, float]]] = {
        "start": _start,
        "check": _check,
        "open": _open,
    }
    told = runs[what](*words)
    if what == "check":
        Path(words[1]).write_text(json.dumps(told))
    else:
        sys.stdout.write(json.dumps(told) + "\n")
    return 0


def _start(began: str) -> dict[str, float]:
    """As ``netcheck gui`` starts, until the first picture is there; ``began``: when the process
    was started, by the clock of whoever did."""
    from netcheck.gui import app

    application = QApplication(sys.argv[:1])
    painted = Painted()
    application.installEventFilter(painted)
    ended = QTimer(singleShot=False, interval=1)
    ended.timeout.connect(lambda: application.quit() if painted.at else None)
    ended.start()
    app.run([])
    return {"painted_s": painted.at - float(began)}


def _window() -> tuple[QApplication, object]:
    from netcheck.gui.bridge import Engine
    from netcheck.gui.window import Window
    from netcheck.history import History

    application = QApplication(sys.argv[:1])
    history = History()
    window = Window(Engine(history), QSettings("bench", "bench"), history)
    window.resize(1080, 760)
    window.show()
    window.activateWindow()
    return application, window


def _memory_mb() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss / 1e6)


def _until(signal: SignalInstance[*tuple[Any, ...]], act: Callable[[], object]) -> None:
    loop = QEventLoop()
    signal.connect(loop.quit)
    QTimer.singleShot(0, act)
    QTimer.singleShot(60_000, loop.quit)
    loop.exec()


def _check(link: str, _: str) -> dict[str, float]:
    from netcheck.gui.window import Window

    application, window = _window()
    assert isinstance(window, Window)
    _until(window.loaded, lambda: window.start.point_at(link))  # nobody is faster
    application.processEvents()
    watch = Watch()
    during: list[float] = []

    # Before the window shows the answer: that is measured by itself.
    window.engine.finished.disconnect(window._finished)
    window.engine.finished.connect(lambda _: during.append(watch.taken_ms()))
    window.engine.finished.connect(window._finished)
    _until(window.engine.finished, window.start.begin)
    watch.anew()
    report = window.answer.report
    assert report is not None
    window.show_report(report)
    application.processEvents()
    answer_ms = watch.taken_ms()
    cancelled: list[float] = []

    def cancel() -> None:
        began = time.perf_counter()
        window.running.cancel.click()
        application.processEvents()
        cancelled.append((time.perf_counter() - began) * 1000)

    QTimer.singleShot(1500, cancel)
    _until(window.engine.finished, lambda: window.check_again(None))
    memory = _memory_mb()
    window.close()
    return {
        "stall_ms": during[0], "answer_ms": answer_ms, "memory_mb": memory,
        "cancel_ms": cancelled[0],
    }  # fmt: skip


def _open(how_many: str) -> dict[str, float]:
    import tempfile

    from netcheck.gui.window import Window
    from netcheck.report import json as json_format
    from tests.netcheck.report import samples

    import msgspec  # isort: skip

    report = samples.everything()
    known = report.observations
    report = msgspec.structs.replace(
        report,
        observations=[
            msgspec.structs.replace(known[n % len(known)], id=f"observation-{n}", at_s=n / 1000)
            for n in range(int(how_many))
        ],
    )
    application, window = _window()
    assert isinstance(window, Window)
    _until(window.loaded, application.processEvents)
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(json_format.render(report).encode())
        file.flush()
        size_mb = Path(file.name).stat().st_size / 1e6
        watch = Watch()
        application.processEvents()
        watch.anew()
        began = time.perf_counter()
        _until(window.answer.features.chosen, lambda: window.open_file(Path(file.name)))
        application.processEvents()
        opened_s = time.perf_counter() - began
        stall_ms = watch.taken_ms()
    window.go(window.details)
    window.details.tabs.setCurrentIndex(window.details.tabs.count() - 1)
    application.processEvents()
    view = window.details.timeline
    bar = view.view.verticalScrollBar()
    watch.anew()
    for place in range(0, bar.maximum(), max(1, bar.maximum() // 400)):
        bar.setValue(place)
        application.processEvents()
    scroll_ms = watch.taken_ms()
    watch.anew()
    _until(view.table.arranged, lambda: view.view.sortByColumn(4, Qt.SortOrder.DescendingOrder))
    sort_ms = watch.taken_ms()
    watch.anew()
    _until(view.table.arranged, lambda: view.filter.setText("port 6891"))
    filter_ms = watch.taken_ms()
    memory = _memory_mb()
    window.close()
    return {
        "opened_s": opened_s, "stall_ms": stall_ms, "size_mb": size_mb, "scroll_ms": scroll_ms,
        "sort_ms": sort_ms, "filter_ms": filter_ms, "memory_mb": memory,
        "observations": int(how_many),
    }  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
