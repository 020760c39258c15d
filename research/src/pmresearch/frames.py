"""The form of market frames, counted alike in recordings and in our own world.

`python -m pmresearch.statistics --frames FILE... --synthetic` prints these figures. A figure is
None where a source does not hold what it needs. Frames are taken in order of arrival; stamps are
the venue's milliseconds. Each market is counted by itself.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pmcore.model.errors import MalformedInputError
from pmcore.model.units import NS_PER_S, QTY_GRID_U6
from pmcore.venue.fields import JsonObject, as_list, as_object, decode_json, qty_u6_of
from pmresearch.figures import Figure
from pmresearch.tape import is_polybot, polybot_rates
from pmsim.recordings.reader import Recording
from pmsim.run.synthetic import SyntheticVenue
from pmsim.venue.ports import MarketFrame

GROUP = "form of frames"
_OLDEST_MS = 10_000
_COUNTED = ("price_change", "book", "last_trade_price")


class FrameForm:
    """Counts over the frames of one source."""

    def __init__(self) -> None:
        self.frames = 0
        self.seconds = 0.0
        self._pairs = 0
        self._older = 0
        self._changes: Counter[tuple[str, int]] = Counter()
        self._emptied: list[tuple[str, int]] = []
        self._sell_first = 0
        self._books: dict[tuple[str, int], None] = {}
        self._trades = 0
        self._fine = 0
        self._last_ms: dict[str, int] = {}
        self.strangers: int | None = None
        self.frame_rate: float | None = None
        self.trade_rate: float | None = None

    def read(self, item: JsonObject) -> None:
        """Take one event of a frame. Books that answer a subscription are not counted."""
        kind = str(item.get("event_type", ""))
        if kind not in _COUNTED or "tick_size" in item:
            return
        market, stamp_ms = str(item.get("market", "")), int(str(item.get("timestamp", "0")))
        self._read_stamp(market, stamp_ms)
        self.frames += 1
        if kind == "price_change":
            first = as_object(as_list(item.get("price_changes"))[0])
            self.change(market, stamp_ms, qty_u6_of(first.get("size")), str(first.get("side")))
        elif kind == "book":
            self._books[market, stamp_ms] = None
        else:
            self.trade(qty_u6_of(item.get("size")))

    def change(self, market: str, stamp_ms: int, size_u6: int, first_side: str) -> None:
        """Take one `price_change` frame by its first entry."""
        self._changes[market, stamp_ms] += 1
        if not size_u6:
            self._emptied.append((market, stamp_ms))
        self._sell_first += first_side == "SELL"

    def trade(self, size_u6: int) -> None:
        """Take one print."""
        self._trades += 1
        self._fine += size_u6 % QTY_GRID_U6 > 0

    def _read_stamp(self, market: str, stamp_ms: int) -> None:
        last_ms = self._last_ms.get(market)
        if last_ms is not None and abs(stamp_ms - last_ms) < _OLDEST_MS:
            self._pairs += 1
            self._older += stamp_ms < last_ms
        self._last_ms[market] = stamp_ms

    def figures(self) -> list[Figure]:
        """All of them, in the order of the table."""
        changes = self._changes.total()
        emptied = len(self._emptied)
        untraded = sum(place not in self._books for place in self._emptied)
        traded = sum(place in self._changes for place in self._books)
        minutes = self.seconds / 60
        rates = (self.frame_rate, self.trade_rate)
        if self.seconds > 1:
            rates = (self.frames / self.seconds, self._trades / self.seconds)
        rows: list[tuple[str, float | None]] = [
            ("frames /s", rates[0]),
            ("trades /s", rates[1]),
            ("price_change frames per stamp, mean", _ratio(changes, len(self._changes))),
            ("price_change frames per stamp, max", max(self._changes.values(), default=None)),
            ("price_change that empties a level, %", _percent(emptied, changes)),
            (
                "price_change that empties a level without a trade, %",
                _percent(untraded, changes) if self._books else None,
            ),
            ("price_change whose first entry is SELL, %", _percent(self._sell_first, changes)),
            ("books after a trade with a price_change, %", _percent(traded, len(self._books))),
            ("frames older than the one before, %", _percent(self._older, self._pairs)),
            ("trade sizes finer than 0.01, %", _percent(self._fine, self._trades)),
            (
                "new_market frames of other markets /min",
                self.strangers / minutes if self.strangers is not None and minutes else None,
            ),
        ]
        return [Figure(GROUP, name, value) for name, value in rows]


def recorded_form(path: Path) -> FrameForm:
    """The form of a recording's frames. Raise `MalformedInputError` for a file of another kind."""
    if is_polybot(path):
        return _of_polybot(path)
    if path.name.startswith("tickscope_"):
        return _of_tickscope(path)
    form = FrameForm()
    for frame in Recording(path).frames():
        for item in _events(frame.raw):
            form.read(item)
    if not form.frames:
        raise MalformedInputError("no_frames", "no price_change, no trade, no book after one")
    return form


def synthetic_form(venue: SyntheticVenue, seconds: int) -> FrameForm:
    """The form of the frames of the world's first window, from now on."""
    form = FrameForm()
    window = venue.listings()[0].window
    form.seconds, form.strangers = seconds, 0
    for second in range(seconds):
        for event in venue.advance(venue.now_ns + NS_PER_S):
            if not isinstance(event, MarketFrame):
                continue
            if event.condition_id == window.condition_id:
                for item in _events(event.text):
                    form.read(item)
            elif not event.token_ids:
                form.strangers += 1
        if venue.now_ns >= window.close_ns:
            form.seconds = second + 1
            break
    return form


def form_table(columns: Mapping[str, FrameForm]) -> str:
    """One row per figure, one column per source; a dash where a source holds no such thing."""
    found = {name: form.figures() for name, form in columns.items()}
    lines = ["| figure | " + " | ".join(found) + " |", "|---|" + "---:|" * len(found)]
    for row, first in enumerate(next(iter(found.values()), [])):
        cells = [_cell(figures[row].value) for figures in found.values()]
        lines.append(f"| {first.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _events(raw: str) -> Iterator[JsonObject]:
    try:
        decoded = decode_json(raw)
    except MalformedInputError:
        return
    for item in decoded if isinstance(decoded, list) else [decoded]:
        if isinstance(item, dict):
            yield item


def _of_polybot(path: Path) -> FrameForm:
    """Rates and the sizes of prints; it has no stamps of the venue."""
    form = FrameForm()
    form.frame_rate, form.trade_rate, sizes = polybot_rates(path)
    for size_u6 in sizes:
        form.trade(size_u6)
    return form


def _of_tickscope(path: Path) -> FrameForm:
    """Rows of many sports markets; the two entries of a `price_change` are rows one by one."""
    form = FrameForm()
    with gzip.open(path, "rb") as packed:
        rows = list(csv.DictReader(io.TextIOWrapper(packed, "utf-8")))
    skip_to = -1
    for number, row in enumerate(rows):
        if row["event_type"] == "LAST_TRADE":
            form.trade(qty_u6_of(row["size"]))
        elif number > skip_to:
            skip_to = number + _is_pair(rows, number)
            side = "SELL" if row["side"] == "ASK" else "BUY"
            form.change(row["asset_id"], int(row["timestamp"]), qty_u6_of(row["size"]), side)
    return form


def _is_pair(rows: Sequence[Mapping[str, str]], number: int) -> bool:
    """Whether the next row is the other entry of the same frame."""
    if number + 1 == len(rows):
        return False
    one, other = rows[number], rows[number + 1]
    same = all(one[key] == other[key] for key in ("timestamp", "size", "event_type"))
    return same and one["asset_id"] != other["asset_id"] and one["side"] != other["side"]


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
