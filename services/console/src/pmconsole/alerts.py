"""Which faults become alerts, and when somebody is told: pure, driven by the time it is given.

Nothing is queued. A message is made of how things are when it may be sent: what is new, what is
over, what still lasts. So a slow or refused receiver makes one message later, not many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pmconsole.faults import CRITICAL, WARNING, FaultSeen
from pmconsole.redact import redact

ALERTS_KEPT = 64
ENDS_AFTER_S = 10.0
"""An alert is over when its fault was away for so long, so that one that flickers is one alert."""
GROUP_S = 2.0
"""What begins within this time is one message."""
GAP_S = 15.0
BURST = 10
REFILL_S = 180.0
"""At most `BURST` messages at once, then one in `REFILL_S`."""
RETRY_S = (5.0, 15.0, 60.0, 120.0, 300.0)
MAX_LINE = 280
MAX_BODY = 1500
"""Below the smallest bound of the receivers that docs/notify.md names (Discord: 2,000)."""
RUNBOOK = "docs/runbook.md"


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What a person gets. `lasting` and `ended`: the keys of the alerts that it tells of."""

    title: str
    body: str
    severity: str
    lasting: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


class _Alert(msgspec.Struct):
    fault: FaultSeen
    since_s: float
    seen_s: float
    begun: bool = False
    told: bool = False
    told_s: float = 0.0

    def over(self, now_s: float) -> bool:
        return now_s - self.seen_s >= ENDS_AFTER_S


class AlertBook:
    """`step` gives the message that is due; `sent` or `failed` says what became of it."""

    def __init__(self, *, repeat_s: float, secrets: Sequence[str] = ()) -> None:
        self._repeat_s = repeat_s
        self._secrets = tuple(secrets)
        self._alerts: dict[str, _Alert] = {}
        self._missed = 0
        self._changed_s: float | None = None
        self._not_before_s = float("-inf")
        self._tokens = float(BURST)
        self._refilled_s: float | None = None
        self._failures = 0

    @property
    def lasting(self) -> list[str]:
        """The texts of the alerts that last now."""
        return [self._text(one.fault) for one in self._alerts.values() if one.begun]

    def step(self, now_s: float, faults: Iterable[FaultSeen]) -> Notification | None:
        """Note which faults there are; return the message that may be sent now, if any."""
        self._refill(now_s)
        self._note(now_s, faults)
        news = self._news(now_s)
        if not news:
            self._changed_s = None
            return None
        if self._changed_s is None:
            self._changed_s = now_s
        if now_s - self._changed_s < GROUP_S or now_s < self._not_before_s or self._tokens < 1:
            return None
        return self._message(now_s, news)

    def sent(self, now_s: float, message: Notification) -> None:
        """Somebody got it."""
        self._failures, self._missed = 0, 0
        self._tokens -= 1
        self._not_before_s = now_s + GAP_S
        for key in message.lasting:
            if key in self._alerts:
                self._alerts[key].told, self._alerts[key].told_s = True, now_s
        for key in message.ended:
            if key in self._alerts and self._alerts[key].over(now_s):
                del self._alerts[key]

    def failed(self, now_s: float) -> None:
        """Nobody got it: the same is told again, later each time."""
        self._not_before_s = now_s + RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1

    def _refill(self, now_s: float) -> None:
        if self._refilled_s is not None:
            gained = (now_s - self._refilled_s) / REFILL_S
            self._tokens = min(float(BURST), self._tokens + gained)
        self._refilled_s = now_s

    def _note(self, now_s: float, faults: Iterable[FaultSeen]) -> None:
        seen = set()
        for fault in faults:
            seen.add(fault.key)
            alert = self._alerts.get(fault.key)
            if alert is None:
                if len(self._alerts) >= ALERTS_KEPT:
                    continue
                alert = self._alerts[fault.key] = _Alert(fault, now_s, now_s)
            alert.fault, alert.seen_s = fault, now_s
            alert.begun = alert.begun or now_s - alert.since_s >= fault.wait_s
        for key, alert in list(self._alerts.items()):
            if key in seen:
                continue
            if not alert.begun:
                del self._alerts[key]
            elif not alert.told and alert.over(now_s):
                self._missed += 1
                del self._alerts[key]

    def _news(self, now_s: float) -> list[_Alert]:
        return [
            alert
            for alert in self._alerts.values()
            if alert.begun
            and (not alert.told or alert.over(now_s) or now_s - alert.told_s >= self._repeat_s > 0)
        ]

    def _message(self, now_s: float, news: list[_Alert]) -> Notification:
        begun = [one for one in news if not one.told]
        ended = [one for one in news if one.told and one.over(now_s)]
        lasting = [one for one in news if one.told and not one.over(now_s)]
        # the worst first: what does not fit is counted
        begun.sort(key=lambda one: one.fault.severity != CRITICAL)
        lines = [self._line(one, "") for one in begun]
        lines += [self._line(one, "still: ") for one in lasting]
        lines += [f"over: {self._text(one.fault)}" for one in ended]
        kept, size = [], 0
        for line in lines:
            if size + len(line) + 1 > MAX_BODY:
                break
            kept.append(line)
            size += len(line) + 1
        if left := len(lines) - len(kept):
            kept.append(f"and {left} more: see `pm status` or the console")
        if self._missed:
            kept.append(f"and {self._missed} that came and went since the last message")
        active = [*begun, *lasting]
        critical = any(one.fault.severity == CRITICAL for one in active)
        return Notification(
            title=_title(len(begun), len(lasting), len(ended)),
            body="\n".join(kept),
            severity="over" if not active else CRITICAL if critical else WARNING,
            lasting=tuple(one.fault.key for one in active),
            ended=tuple(one.fault.key for one in ended),
        )

    def _line(self, alert: _Alert, begin: str) -> str:
        fault = alert.fault
        mark = "CRITICAL " if fault.severity == CRITICAL else ""
        return f"{mark}{begin}{self._text(fault)} ({RUNBOOK}#{fault.runbook})"

    def _text(self, fault: FaultSeen) -> str:
        text = redact(fault.text, self._secrets)
        return text if len(text) <= MAX_LINE else f"{text[: MAX_LINE - 3]}..."


def _title(begun: int, lasting: int, ended: int) -> str:
    parts = [f"{begun} new" if begun else "", f"{lasting} still" if lasting else ""]
    parts.append(f"{ended} over" if ended else "")
    return f"pm-as-ofi: {', '.join(part for part in parts if part)}"
