"""Where asyncio and Qt meet: the check runs in a thread of its own, and tells by signals.

What it tells is frozen data, gathered for a moment so that hundreds of events a second are a
few updates of the window.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from importlib import import_module
from typing import Any, TypeVar

import msgspec
from PySide6.QtCore import QCoreApplication, QObject, QThreadPool, Signal

from netcheck.history import History, HistoryError
from netcheck.measure.record import Event, Observed, Progress
from netcheck.prepared import Wanted, prepared
from netcheck.report.model import Feature, PathHop, Report
from netcheck.report.read import ReportError
from netcheck.unfinished import Keeper, begun_now
from probes.errors import ProbeError
from probes.observation import AnyObservation

_T = TypeVar("_T")

SWITCH_S = 0.001
"""How long Python lets one thread go on while the window waits: a fifth of its default."""

GATHER_S = 0.1
"""How long events are gathered: a person sees ten changes a second as flowing."""

PAINT_S = 0.05
"""The window shows that the check has begun before the check's modules are loaded: both at once
would make either slow."""

JUDGE_S = 0.3
"""How often what is known so far is judged anew: it takes some 20 ms of this computer."""


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What is new since the last news.  ``features`` and ``path`` are as far as can be said
    already; empty if they were not judged anew."""

    progress: Progress | None = None
    observations: tuple[AnyObservation, ...] = ()
    features: tuple[Feature, ...] = ()
    path: tuple[PathHop, ...] = ()


class Engine(QObject):
    """Runs one check at a time.  Its methods are the window's; its signals arrive there."""

    told = Signal(News)
    finished = Signal(Report)
    refused = Signal(str)  # one sentence: what is wrong and what to do
    unkept = Signal(str)  # the report could not be kept, and why
    broken = Signal(str, str)  # a fault of our own: one sentence, and what to report
    _worked = Signal(object, object)  # what to call in the window's thread, and with what

    def __init__(self, history: History | None = None, parent: QObject | None = None) -> None:
        """``history``: where each check is kept, from its first observation on."""
        super().__init__(parent)
        self._history = history
        self._closed = False
        self._worked.connect(self._hand_over)
        # Of Qt's threads: what is written as PDF uses its timers.
        self._pool = QThreadPool(self)
        self._saves = QThreadPool(self)  # what is waited for before the program ends
        sys.setswitchinterval(SWITCH_S)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="netcheck engine", daemon=True)
        self._thread.start()
        self._running: Future[None] | None = None
        self._one: _One | None = None

    @property
    def busy(self) -> bool:
        return self._one is not None and not self._one.over

    def start(self, wanted: Wanted, before: Report | None = None) -> None:
        """Begin a check; ``finished``, ``refused`` or ``broken`` ends it.  ``before``: the report
        whose other parts still hold, where only some are ``wanted``."""
        if self.busy:
            return
        self._one = _One(self, wanted, self._history, before)
        self._running = self._submit(self._one.run())

    def cancel(self) -> None:
        """End the check: ``finished`` comes with what was found."""
        if self._one is not None and self.busy:
            self._loop.call_soon_threadsafe(self._one.cancel)

    def work(
        self,
        what: Callable[[], _T],
        then: Callable[[_T], None],
        failed: Callable[[str], None],
        *,
        saves: bool = False,
    ) -> None:
        """Do ``what`` may wait for a disk while the window goes on, ``then`` give what came of
        it, or the sentence of its ReportError or HistoryError to ``failed``.  ``saves``: it is
        done before the program ends (see ``settle``)."""

        def worked() -> None:
            try:
                call: object = then
                result: object = what()
            except (ReportError, HistoryError) as error:
                call, result = failed, str(error)
            except Exception as error:  # a fault of ours: told, and the window stays
                self._break(error)
                return
            with suppress(RuntimeError):  # the window is gone, and the signal with it
                self._worked.emit(call, result)

        (self._saves if saves else self._pool).start(worked)

    def load(self, then: Callable[[], None]) -> None:
        """Bring what a check needs while nothing else is to be done, so that its start does not
        have to; ``then`` it is there."""
        self.work(_load, lambda _: then(), lambda _: None)

    def _hand_over(self, call: object, result: object) -> None:
        assert callable(call)
        if not self._closed:
            call(result)

    def _break(self, error: Exception) -> None:
        """The window stays, and says what to report."""
        self.broken.emit(
            f"netcheck met an error of its own: {type(error).__name__}.",
            "".join(traceback.format_exception(error)),
        )

    @property
    def saving(self) -> bool:
        return self._saves.activeThreadCount() > 0

    def settle(self) -> None:
        """Wait for what is being saved, and hand over what came of it."""
        self._saves.waitForDone(int(SAVE_S * 1000))
        QCoreApplication.sendPostedEvents(self)

    def close(self) -> None:
        """End everything; waits for the sockets to be closed.  A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        self.cancel()
        if self._running is not None:
            try:
                self._running.result(CLOSE_S)
            except Exception:  # whatever it was has been told, and the program ends
                self._running.cancel()
        self._pool.waitForDone(int(CLOSE_S * 1000))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)

    @property
    def stuck(self) -> bool:
        """Whether, after ``close``, something still waits, as for a disk that does not answer."""
        return self.saving or self._pool.activeThreadCount() > 0

    def _submit(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


CLOSE_S = 2.0
"""A check that is cancelled says goodbye to the server within a second."""


SAVE_S = 30.0
"""A report with ten thousand observations takes ten seconds; a disk that is gone never answers."""


def _load() -> None:
    from netcheck import kb
    from netcheck.gui import article
    from probes.control.quick_import import import_aiohttp

    import_aiohttp()
    for name in _LATER:
        import_module(name)
    article.load()
    for each in kb.articles():  # whose templates are then compiled, which takes 10 ms each
        article.searched(each.id)
    # All this lives as long as the program.  Else each full collection, such as a report of
    # 5 MB brings about, looks through it while the window stands still.
    gc.freeze()


_LATER = (
    "netcheck.again",
    "netcheck.diagnosis",
    "netcheck.measure.behaviour",
    "netcheck.measure.breaks",
    "netcheck.measure.editors",
    "netcheck.measure.voice",
    "netcheck.measure.with_server",
)
"""What a check loads when it comes to it."""


class _One:
    """One check, in the engine's thread."""

    def __init__(
        self, engine: Engine, wanted: Wanted, history: History | None, before: Report | None
    ) -> None:
        self.over = False  # before the signal that says so
        self._engine = engine
        self._history = history
        self._keeper: Keeper | None = None
        self._wanted = wanted
        self._before = before
        self._cancelled = False
        self._cancel_check: Callable[[], object] | None = None
        self._all: list[AnyObservation] = []
        self._new: list[AnyObservation] = []
        self._progress: Progress | None = None
        self._judged_at = 0.0

    def cancel(self) -> None:
        self._cancelled = True
        if self._cancel_check is not None:
            self._cancel_check()

    async def run(self) -> None:
        try:
            await asyncio.sleep(PAINT_S)
            self._keep()
            report = await self._checked()
            if self._before is not None:
                report = await asyncio.to_thread(self._joined, self._before, report)
            await asyncio.to_thread(self._kept, report)
        except ProbeError as error:
            await asyncio.to_thread(self._discarded)
            self.over = True
            self._engine.refused.emit(str(error))
        except Exception as error:  # a fault of ours: told, and the window stays
            await asyncio.to_thread(self._discarded)
            self.over = True
            self._engine._break(error)
        else:
            self.over = True
            self._engine.finished.emit(report)

    def _keep(self) -> None:
        if self._history is not None:
            begun = begun_now(
                self._wanted.profiles, depth=self._wanted.depth, only=self._wanted.only,
                embedded=self._wanted.alone,
            )  # fmt: skip
            self._keeper = Keeper(self._history, begun)

    def _kept(self, report: Report) -> None:
        if self._keeper is not None:
            try:
                self._keeper.finish(report)
            except HistoryError as error:
                self._engine.unkept.emit(str(error))

    def _discarded(self) -> None:
        if self._keeper is not None:
            with suppress(HistoryError):
                self._keeper.discard()

    async def _checked(self) -> Report:
        async with prepared(self._wanted, self._tell) as check:
            self._cancel_check = check.cancel
            if self._cancelled:
                check.cancel()
            telling = asyncio.create_task(self._keep_telling())
            try:
                return await check.run()
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
                self._tell_rest()

    def _tell(self, event: Event) -> None:
        if isinstance(event, Observed):
            self._new.append(event.observation)
            if self._keeper is not None:
                self._keeper.observe(event.observation)
        else:
            self._progress = event

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(GATHER_S)
            await self._tell_now()

    async def _tell_now(self) -> None:
        new, self._new = self._new, []
        progress, self._progress = self._progress, None
        self._all += new
        features: tuple[Feature, ...] = ()
        path: tuple[PathHop, ...] = ()
        now = asyncio.get_running_loop().time()
        if new and now - self._judged_at >= JUDGE_S:
            features, path = await asyncio.to_thread(self._judged, tuple(self._all))
            self._judged_at = asyncio.get_running_loop().time()
        if new or progress or features:
            self._engine.told.emit(
                News(progress=progress, observations=tuple(new), features=features, path=path)
            )

    def _tell_rest(self) -> None:
        """What came since the last news: the report that follows has judged it."""
        if self._new or self._progress:
            self._engine.told.emit(News(progress=self._progress, observations=tuple(self._new)))

    def _joined(self, before: Report, report: Report) -> Report:
        from netcheck import again  # loaded here: it brings the whole diagnosis

        return again.joined(before, report, self._wanted.profiles, self._wanted.only)

    def _judged(
        self, known: tuple[AnyObservation, ...]
    ) -> tuple[tuple[Feature, ...], tuple[PathHop, ...]]:
        from netcheck import again, diagnosis, plan

        depth: plan.Depth = "quick" if self._wanted.alone else self._wanted.depth
        only = self._wanted.only
        if self._before is not None and only:
            known = (*again.kept(self._before.observations, only), *known)
            only = frozenset()
        made = plan.make(self._wanted.profiles, depth, only)
        found = diagnosis.diagnose(self._wanted.profiles, made, known, cancelled=False)
        return tuple(found.features), tuple(found.path)
