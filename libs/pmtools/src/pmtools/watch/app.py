"""The terminal's screen: follows a console, shows its snapshots, sends kill and resume."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Footer, Static

from pmcore.shell.clock import monotonic_s
from pmtools.summary import as_mapping
from pmtools.watch import book_panel, panels
from pmtools.watch.dialogs import KeysDialog, KillDialog, ResumeDialog
from pmtools.watch.figures import BAD, is_number, money, sparkline
from pmtools.watch.link import SILENT_S, ConsoleLink, NoSnapshotError, Snapshot

WIDE = 120
"""Columns from which on the panels stand in two columns."""
_POINTS = 3600
_NOTE_S = 30.0
_LOOK_S = 0.5
_OVERVIEW, _BOOKS = {"windows": "Windows"}, ("detail", "up", "down")
_TAPES = {"decisions": "Decisions", "fills": "Fills"}
_RIGHT = {
    "limits": "Against the limits",
    "venue": "Venue",
    "today": "Today (UTC)",
    "chart": "Profit of the day, last hour",
    "services": "Services",
    "latencies": "Latencies",
}


class WatchApp(App[None]):
    """One console. It holds the newest snapshot, the chosen window, and an hour of profit."""

    TITLE = "pm watch"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - textual's own type
    CSS = """
    #header { height: 1; padding: 0 1; }
    #alarms { height: auto; padding: 0 1; display: none; }
    #alarms.told { display: block; }
    #page { height: 1fr; scrollbar-size-vertical: 1; }
    .column { height: auto; width: 1fr; }
    .panel { height: auto; border: round $primary; }
    #sides { height: auto; }
    #up, #down { width: 1fr; }
    #up { margin-right: 1; }
    .-wide #columns { layout: horizontal; height: auto; }
    .-narrow #columns { layout: vertical; height: auto; }
    .-wide #left { width: 3fr; }
    .-wide #right { width: 2fr; }
    KillDialog, ResumeDialog, KeysDialog { align: center middle; }
    .dialog { width: 76; max-width: 95%; height: auto; border: heavy $error; padding: 1 2;
              background: $surface; }
    .question { text-style: bold; padding-bottom: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("K", "kill", "Kill", key_display="K"),
        Binding("R", "resume", "Resume", key_display="R"),
        Binding("up", "choose(-1)", "Window", key_display="↑↓"),
        Binding("down", "choose(1)", show=False),
        Binding("pagedown", "scroll('page_down')", "Scroll", key_display="PgDn"),
        Binding("pageup", "scroll('page_up')", show=False),
        Binding("home", "scroll('home')", show=False),
        Binding("end", "scroll('end')", show=False),
        Binding("question_mark", "keys", "Keys", key_display="?"),
        Binding("q", "quit", "Leave"),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(self, link: ConsoleLink, points: list[Mapping[str, Any]]) -> None:
        super().__init__()
        self._link = link
        self._snapshot: Snapshot = {}
        self._chosen = ""
        self._problem = ""
        self._newest_s = monotonic_s()
        self._note, self._note_until_s = "", 0.0
        names = ("header", "alarms", *_OVERVIEW, *_BOOKS, *_TAPES, *_RIGHT)
        self._panels = {name: Static("waiting for the console", id=name) for name in names}
        self._shown: dict[str, Text] = {}
        self._profits: deque[tuple[float, float]] = deque(maxlen=_POINTS)
        for point in points:
            self._keep_profit(point.get("t"), point.get("profit"))

    def compose(self) -> ComposeResult:
        """Header, alarms, the panels, keys."""
        yield self._panels["header"]
        yield self._panels["alarms"]
        with VerticalScroll(id="page", can_focus=False), Vertical(id="columns"):
            with Vertical(id="left", classes="column"):
                yield from self._framed(_OVERVIEW)
                with Vertical(classes="panel") as books:
                    books.border_title = "Books"
                    yield self._panels["detail"]
                    with Horizontal(id="sides"):
                        yield self._panels["up"]
                        yield self._panels["down"]
                yield from self._framed(_TAPES)
            with Vertical(id="right", classes="column"):
                yield from self._framed(_RIGHT)
        yield Footer()

    def _framed(self, titles: Mapping[str, str]) -> Iterator[Static]:
        for name, title in titles.items():
            panel = self._panels[name]
            panel.border_title = title
            panel.add_class("panel")
            yield panel

    def on_mount(self) -> None:
        """Begin to read."""
        self.run_worker(self._follow(), exit_on_error=True)
        self.set_interval(_LOOK_S, self._show_alarms)

    async def on_unmount(self) -> None:
        """Let go of the console."""
        await self._link.close()

    async def _follow(self) -> None:
        async for said in self._link.snapshots():
            if isinstance(said, NoSnapshotError):
                self._problem = str(said)
                self._show_alarms()
            else:
                self._problem, self._newest_s = "", monotonic_s()
                self._snapshot = said
                day = as_mapping(said.get("day"))
                self._keep_profit(said.get("clock_s"), day.get("profit_today"))
                self._show()

    def _keep_profit(self, at_s: Any, profit: Any) -> None:
        """One point a second."""
        if not is_number(at_s) or not is_number(profit):
            return
        if not self._profits or at_s - self._profits[-1][0] >= 1:
            self._profits.append((at_s, profit))

    def _show(self) -> None:
        snapshot = self._snapshot
        chosen = panels.choose_window(panels.windows_of(snapshot), self._chosen)
        self._chosen = str(as_mapping(chosen).get("slug") or "")
        of_window: dict[str, Text] = {
            "windows": panels.overview(snapshot, chosen),
            "detail": book_panel.detail(snapshot, chosen),
            "up": book_panel.side(snapshot, chosen, "up"),
            "down": book_panel.side(snapshot, chosen, "down"),
            "limits": panels.limits(snapshot, chosen),
            "today": panels.today(snapshot, chosen),
            "chart": self._chart(),
        }
        of_engine: dict[str, Callable[[Snapshot], Text]] = {
            "decisions": panels.decisions,
            "fills": panels.fills,
            "venue": panels.venue,
            "services": panels.services,
            "latencies": panels.latencies,
        }
        for name, text in of_window.items():
            self._put(name, text)
        for name, make in of_engine.items():
            self._put(name, make(snapshot))
        self._show_alarms()

    def _put(self, name: str, text: Text) -> None:
        """What has not changed is not drawn again."""
        if self._shown.get(name) != text:
            self._shown[name] = text
            self._panels[name].update(text)

    def _chart(self) -> Text:
        values = [profit for _, profit in self._profits]
        if not values:
            return Text("Nothing yet.")
        width = max(10, self._panels["chart"].size.width - 2)
        return Text(
            f"{sparkline(values, width)}\nlowest {money(min(values))}, "
            f"highest {money(max(values))}, now {money(values[-1])}"
        )

    def _show_alarms(self) -> None:
        """Halts and dead services; before them that what is shown is old."""
        lines = panels.alarms(self._snapshot)
        silent_s = monotonic_s() - self._newest_s
        live = not self._problem and silent_s <= SILENT_S
        title = self._link.place.title
        self._put("header", panels.header(self._snapshot, title, live=live))
        if not live:
            old = " What stands below is old." if self._snapshot else ""
            why = self._problem or "it is silent"
            lines.insert(0, f"NO DATA for {silent_s:.0f} s: {why}.{old}")
        if self._note and monotonic_s() < self._note_until_s:
            lines.insert(0, self._note)
        self._panels["alarms"].set_class(bool(lines), "told")
        self._put("alarms", Text("\n".join(lines), BAD))

    def _say(self, text: str) -> None:
        self._note, self._note_until_s = text, monotonic_s() + _NOTE_S
        self._show_alarms()

    def action_choose(self, step: int) -> None:
        """Another window, around the end."""
        slugs = [str(one.get("slug")) for one in panels.windows_of(self._snapshot)]
        if slugs:
            at = slugs.index(self._chosen) if self._chosen in slugs else 0
            self._chosen = slugs[(at + step) % len(slugs)]
            self._show()

    def action_scroll(self, where: str) -> None:
        """Move the page."""
        page = self.query_one("#page", VerticalScroll)
        {
            "page_down": page.scroll_page_down,
            "page_up": page.scroll_page_up,
            "home": page.scroll_home,
            "end": page.scroll_end,
        }[where](animate=False)

    def action_keys(self) -> None:
        """The list of keys."""
        self.push_screen(KeysDialog())

    def action_kill(self) -> None:
        """Ask, then kill."""

        def killed(reason: str | None) -> None:
            if reason is not None:
                self.run_worker(self._tell("/kill", {"reason": reason}, "halted"))

        self.push_screen(KillDialog(), killed)

    def action_resume(self) -> None:
        """Ask, then resume."""
        if not self._snapshot.get("halts"):
            self._say("Nothing is halted.")
            return

        def resumed(yes: bool | None) -> None:  # noqa: FBT001 - what the dialog gives
            if yes:
                self.run_worker(self._tell("/resume", {}, "resumed"))

        self.push_screen(ResumeDialog(), resumed)

    async def _tell(self, path: str, body: dict[str, Any], done: str) -> None:
        self._say(f"Telling every service: {path.removeprefix('/')}.")
        problems = await self._link.tell(path, body)
        if problems:
            command = f"pm {path.removeprefix('/')}"
            self._say(f"NOT {done} everywhere: {'; '.join(problems)}. Use {command}.")
        else:
            self._say(f"Every service is {done}.")
