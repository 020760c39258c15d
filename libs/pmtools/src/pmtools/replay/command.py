"""`pm replay`: recordings through the pure engines with paper fills, or a journal stepped again.

Deterministic: the same files and variables give the same fingerprint on every run and every bus,
under any hash seed. A paper fill is an estimate (docs/modelling.md), a fingerprint is not.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
from rich.console import Console

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.journal import ExecutionJournalEntry
from pmcore.engine.journal import JournalEnd
from pmcore.engine.strategy.engine import WindowEngine
from pmcore.engine.strategy.session import MarketSession
from pmcore.machines.inventory import Position
from pmcore.machines.ofi_threshold import WarmStart
from pmcore.messages.market_data import MarketDataMessage
from pmcore.messages.timers import BatchEnded
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome, Window
from pmcore.model.params import SeriesParams
from pmcore.model.units import NS_PER_S
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.settings.common import check_settings
from pmcore.shell.settings.paper_defaults import as_sentence, paper_defaults
from pmcore.shell.settings.strategy import StrategySettings
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from pmsim.queue.line import FillModel
from pmsim.queue.paper_venue import PaperParams, PaperVenue
from pmsim.recordings.reader import Recording
from pmsim.recordings.winners import Winner, winners_in_frame
from pmsim.run.paper_executor import PaperExecutor
from pmtools.errors import EXIT_FAILED, EXIT_OK, CommandError, UsageError
from pmtools.presets import with_preset
from pmtools.replay.attribution import FillBook, write_csv
from pmtools.replay.inputs import expect_series, find_inputs
from pmtools.replay.journals import JournalParts, header_of, journal_steps
from pmtools.replay.latency import read_latencies
from pmtools.replay.settling import (
    agreed,
    ledgers_of,
    only_window,
    results_of,
    winners_before,
    worth_of,
)
from pmtools.replay.transport import BusConduit, DirectConduit, ReplayTransport
from pmtools.replay.window import TICK_NS, WindowReplay
from pmtools.run.redis_server import LocalRedis, LocalRedisError, new_passwords
from pmtools.study.rows import FinishedWindow, rows_of
from pmtools.study.tables import TableFolder
from pmtools.study.watch import WindowWatch
from pmtools.summary import Summary, add_reasons, as_json_line, print_summary

RUN_ID = "replay"
TAIL_NS = 5 * NS_PER_S
"""Silence after the last frame: long enough for quotes to be withdrawn as stale."""


class ReplaySummary(Summary, kw_only=True):
    """The summary of `pm replay`.

    `clamped`: frames whose receive time ran backwards. `profit_settled` is of the windows whose
    winner is known, `profit_marked` of the others at their last mid.
    """

    clamped: int = 0
    windows_settled: int = 0
    profit_settled: float = 0.0
    profit_marked: float = 0.0
    inferred: dict[str, list[str]] = msgspec.field(default_factory=dict)
    results: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    ledgers: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)
    """The sums of all windows by fill model."""
    profit_parts: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)
    markout_cents: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)
    journals_differ: int = 0


def command(arguments: argparse.Namespace) -> int:
    """Replay everything named; 0, or 1 when a journal's fingerprint differs."""
    preset = with_preset(os.environ)
    params = read_params(preset.environ)
    inputs = find_inputs(arguments.files, arguments.market)
    winner = Outcome(arguments.winner) if arguments.winner else None
    if winner is not None:
        only_window(inputs.found)
    if arguments.fills and arguments.fills.suffix == ".parquet":
        raise UsageError("--fills writes CSV: for Parquet use --tables FOLDER")
    paper = paper_params(arguments)
    tables = TableFolder(arguments.tables) if arguments.tables else None
    replay = Replay(params, _open_outputs(arguments.outputs), winner, paper, tables)
    try:
        asyncio.run(replay.run(inputs.found, arguments.bus))
    except LocalRedisError as error:
        raise CommandError(str(error)) from error
    finally:
        replay.close()
    summary = replay.summary
    if arguments.fills:
        write_csv(arguments.fills, replay.fill_book.rows)
    for skipped in inputs.skipped:
        print(f"pm replay: left out: {skipped}", file=sys.stderr)
    if preset.name:
        print(f"pm replay: {preset.sentence}", file=sys.stderr)
    if defaults := paper_defaults(preset.environ):
        print(f"pm replay: {as_sentence(defaults)}", file=sys.stderr)
    for line in inferred_lines(summary.inferred):
        print(f"pm replay: {line}", file=sys.stderr)
    shown = msgspec.structs.replace(summary, inferred={})
    print_summary(shown, Console(stderr=arguments.json), "pm replay")
    if arguments.json:
        print(as_json_line(summary, {"fill_rows": replay.fill_book.rows}))
    return EXIT_FAILED if summary.journals_differ else EXIT_OK


def inferred_lines(inferred: Mapping[str, list[str]]) -> list[str]:
    """One line for all windows of which the same was inferred."""
    slugs: dict[str, list[str]] = {}
    for slug, guessed in inferred.items():
        slugs.setdefault(", ".join(guessed), []).append(slug)
    return [
        f"{windows[0] if len(windows) == 1 else f'{len(windows)} windows'}: inferred {what} "
        "(see --market)"
        for what, windows in slugs.items()
    ]


def read_params(environ: Mapping[str, str] | None = None) -> SeriesParams:
    """The strategy's variables as the service reads them. Raise `UsageError` for bad ones.

    `environ` has a preset expanded; None: it is expanded here.
    """
    if environ is None:
        environ = with_preset(os.environ).environ
    given = {**environ, **paper_defaults(environ)}
    settings, problems = check_settings(StrategySettings, given, series_of_recordings=True)
    if settings is None or problems:
        raise UsageError(*map(str, problems))
    return settings.series_params()


def paper_params(arguments: argparse.Namespace) -> PaperParams:
    """The paper venue of a replay, by `--fill-model`, `--latency` and `--latency-seed`."""
    latencies = read_latencies(arguments.latency, arguments.latency_seed)
    return PaperParams(fills=FillModel(arguments.fill_model), latencies=latencies)


class Replay:
    """Runs inputs one after the other and adds up what they show."""

    def __init__(
        self,
        params: SeriesParams,
        outputs: IO[bytes] | None,
        winner: Outcome | None = None,
        paper: PaperParams | None = None,
        tables: TableFolder | None = None,
    ) -> None:
        self.summary = ReplaySummary()
        self.fill_book = FillBook()
        self._params = params
        self._outputs = outputs
        self._winner = winner
        self._paper = paper or PaperParams()
        self._tables = tables
        self._watches: dict[str, WindowWatch] = {}
        self._source = ""
        self._venues: dict[str, PaperVenue] = {}
        self._hash = hashlib.sha256()
        self._warm: dict[str, tuple[int, dict[Outcome, WarmStart]]] = {}
        self._now_ns = 0

    async def run(self, inputs: Sequence[Recording | JournalParts], bus: str) -> None:
        """Replay all; `bus` is `direct`, `memory` or `redis`."""
        expect_series(self._params, inputs)
        async with self._conduits(bus) as make_transport:
            for each in inputs:
                self._source = _name_of(each)
                if isinstance(each, JournalParts):
                    self._journal(each)
                else:
                    await self._recording(each, make_transport)
        self.summary.fingerprint = self._hash.hexdigest()
        attribution = self.fill_book.summary()
        self.summary.profit_parts = attribution.profit_parts
        self.summary.markout_cents = attribution.markout_cents

    def close(self) -> None:
        """Close the outputs' file."""
        if self._outputs is not None:
            self._outputs.close()

    @asynccontextmanager
    async def _conduits(self, bus: str) -> AsyncIterator[Callable[[], ReplayTransport]]:
        async with AsyncExitStack() as stack:
            if bus == "direct":
                yield DirectConduit
                return
            if bus == "memory":
                memory = MemoryBus(MemoryStore(self._clock_ns), source=RUN_ID, run_id=RUN_ID)
                yield lambda: BusConduit(memory)
                return
            server = stack.enter_context(LocalRedis(passwords=new_passwords()))
            redis = RedisBus.connect(
                server.url, source=RUN_ID, run_id=RUN_ID, clock_ns=self._clock_ns
            )
            stack.push_async_callback(redis.close)
            yield lambda: BusConduit(redis)

    def _clock_ns(self) -> int:
        return self._now_ns

    async def _recording(
        self, recording: Recording, make_transport: Callable[[], ReplayTransport]
    ) -> None:
        windows = {window.slug: window for window in recording.windows()}
        parser = MarketFrameParser(*windows.values())
        replays: dict[str, WindowReplay] = {}
        winners = winners_before(recording, self._winner)
        for frame in recording.frames():
            self._now_ns = frame.recv_ns
            if told := winners_in_frame(frame.raw, windows.values()):
                winners = agreed(winners, told)
            for slug, messages in _by_slug(parser.parse(frame.raw, ts_recv_ns=frame.recv_ns)):
                if slug not in replays:
                    replays[slug] = self._make_replay(windows[slug], make_transport())
                    await replays[slug].begin(frame.recv_ns - TICK_NS)
                await replays[slug].receive(frame.recv_ns, messages)
        for slug, replay in replays.items():
            await replay.advance(self._now_ns + TAIL_NS)
            self._finish(replay.engine, winners.get(slug))
        self.summary.frames += parser.frames
        self.summary.events += parser.events
        self.summary.clamped += recording.clamped
        add_reasons(self.summary.unusable, recording.unusable)
        add_reasons(self.summary.unusable, parser.unusable)
        if not replays:
            counted = ", ".join(f"{name} {n}" for name, n in sorted(parser.unusable.items()))
            raise UsageError(f"{recording.path}: no frame of it can be used ({counted})")

    def _make_replay(self, window: Window, transport: ReplayTransport) -> WindowReplay:
        open_ns, warm = self._warm.get(window.series, (0, None))
        params = self._params.of(window.series)
        engine = WindowEngine(
            window,
            params,
            RUN_ID,
            warm_start=warm if open_ns < window.open_ns else None,
        )
        sink = self._sink(window.slug)
        venue = self._venues[window.slug] = PaperVenue(self._paper)
        executor = PaperExecutor(ExecutionEngine(caps=params.order_caps()), venue, sink)
        return WindowReplay(engine, executor, transport, sink, self._look_at(window.slug))

    def _look_at(self, slug: str) -> Callable[[int, MarketSession], None] | None:
        if self._tables is None:
            return None
        watch = self._watches[slug] = WindowWatch()
        return watch.look

    def _finish(self, engine: WindowEngine, winner: Winner | None = None) -> None:
        window, summary = engine.session.window, self.summary
        self._warm[window.series] = (window.open_ns, engine.warm_start())
        self._hash.update(f"{window.slug} {engine.fingerprint}\n".encode())
        summary.windows += 1
        summary.add_engine(msgspec.to_builtins(engine.counters))
        summary.add_books(msgspec.to_builtins(engine.session.books.counters))
        results = summary.results[window.slug] = results_of(engine, winner)
        positions: Mapping[FillModel, Position] = {}
        if venue := self._venues.pop(window.slug, None):
            positions = venue.ledgers()[window.slug]
            ledgers = ledgers_of(positions, engine, winner)
            results["ledgers"] = ledgers
            _add_up(summary.ledgers, ledgers)
        if self._tables is not None:
            watch = self._watches.pop(window.slug)
            model = self._paper.fills if venue else None
            finished = FinishedWindow(engine, self._source, watch, winner, model, positions)
            self._tables.write(window, rows_of(finished))
        worth2_e4 = worth_of(engine, winner)
        self.fill_book.add(engine.session, worth2_e4, settled="profit" in results)
        summary.windows_settled += "profit" in results
        summary.profit_settled += results.get("profit", 0.0)
        summary.profit_marked += results.get("profit_marked", 0.0)
        if window.inferred:
            summary.inferred[window.slug] = list(window.inferred)

    def _journal(self, parts: JournalParts) -> None:
        """Step an engine with what another one consumed; it must say the same."""
        header = header_of(parts)
        engine, sink = header.make_engine(), self._sink(header.title)
        look = self._look_at_journal(engine) if isinstance(engine, WindowEngine) else None
        unusable: dict[str, int] = {}
        differs, last = "", "the start"
        for step, line in enumerate(journal_steps(parts), start=1):
            match line:
                case MalformedInputError():
                    unusable[line.reason] = unusable.get(line.reason, 0) + 1
                    last = f"step {step}, which cannot be read"
                case JournalEnd():
                    if line.fingerprint != engine.fingerprint:
                        differs = differs or "the outputs differ from those recorded"
                case ExecutionJournalEntry(before=before) if before != engine.fingerprint:
                    differs = f"the outputs differ from those recorded at {last}"
                    break
                case _:
                    last = f"step {step}, {type(line.event).__name__} at {line.at_ns}"
                    self.summary.events += 1
                    for output in engine.step(line.at_ns, line.event):
                        sink(line.at_ns, output)
                    if look and isinstance(line.event, BatchEnded):
                        look(line.at_ns)
        if differs:
            self.summary.journals_differ += 1
            print(f"pm replay: {parts.paths[0]}: {differs}", file=sys.stderr)
        add_reasons(self.summary.unusable, unusable)
        if isinstance(engine, WindowEngine):
            self._finish(engine)
        else:
            self._hash.update(f"{header.title} {engine.fingerprint}\n".encode())

    def _look_at_journal(self, engine: WindowEngine) -> Callable[[int], None] | None:
        look, session = self._look_at(engine.session.window.slug), engine.session
        return None if look is None else lambda at_ns: look(at_ns, session)

    def _sink(self, slug: str) -> Callable[[int, Any], None]:
        """Where outputs go; of an engine that is no window's, `slug` is its journal's title."""
        outputs = self._outputs

        def write(at_ns: int, output: Any) -> None:
            if outputs is not None:
                row = {"at_ns": at_ns, "slug": slug, "kind": type(output).__name__}
                outputs.write(msgspec.json.encode({**row, "output": output}) + b"\n")

        return write


def _name_of(each: Recording | JournalParts) -> str:
    return (each.paths[0] if isinstance(each, JournalParts) else each.path).name


def _add_up(sums: dict[str, dict[str, float]], figures: Mapping[str, Mapping[str, float]]) -> None:
    for model, named in figures.items():
        total = sums.setdefault(model, {})
        for name, figure in named.items():
            total[name] = total.get(name, 0.0) + figure


def _by_slug(
    messages: Sequence[MarketDataMessage],
) -> list[tuple[str, list[MarketDataMessage]]]:
    if len(messages) == 1:
        return [(messages[0].slug, [*messages])]
    grouped: dict[str, list[MarketDataMessage]] = {}
    for message in messages:
        grouped.setdefault(message.slug, []).append(message)
    return list(grouped.items())


def _open_outputs(path: Path | None) -> IO[bytes] | None:
    try:
        return path.open("wb") if path else None
    except OSError as error:
        raise UsageError(f"--outputs {path}: {error.strerror}") from error
