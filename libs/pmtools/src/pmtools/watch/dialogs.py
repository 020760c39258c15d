"""What is asked before anything is changed, and the list of keys."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

KEYS = """Up, Down       choose a window
Page Up, Down  scroll; Home and End: to the top, to the bottom
K              kill: stop quoting and cancel every order (it asks first)
R              resume: lift the halt (it asks first)
?              this list
q, Ctrl-C      leave; the engine goes on

Figures come from the engine's console twice a second.
Cents after a fill: what the mid was above its price, a share.
Decisions are what changed between two looks at the strategy."""


class KillDialog(ModalScreen[str | None]):
    """Gives the reason, or None when it shall not be done."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "go back")]

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical(classes="dialog"):
            yield Static("Stop quoting and cancel every order?", classes="question")
            yield Static("The halt holds until somebody resumes, also after a restart. Reason:")
            yield Input("operator, at pm watch", max_length=200, id="reason")
            yield Static("Enter: kill now      Escape: go back")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        self.dismiss(" ".join(event.value.split()) or "operator, at pm watch")


class ResumeDialog(ModalScreen[bool]):
    """Whether the halt shall be lifted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "dismiss(True)", "resume"),
        Binding("escape", "dismiss(False)", "go back"),
    ]

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical(classes="dialog"):
            yield Static("Lift the halt? The engine quotes again.", classes="question")
            yield Static("Enter: resume      Escape: go back")


class KeysDialog(ModalScreen[None]):
    """The list of keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,question_mark", "dismiss(None)", "go back")
    ]

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(classes="dialog"):
            yield Static("Keys", classes="question")
            yield Static(KEYS)
            yield Static("Escape: go back")
