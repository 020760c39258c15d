"""What the console shows in Prometheus."""

from __future__ import annotations

from pmcore.shell.service.metrics import ProcessMetrics


class ConsoleMetrics:
    """Whether it is ready, polls of the services, notifications, refused requests."""

    def __init__(self, metrics: ProcessMetrics) -> None:
        self._metrics = metrics
        self._polls = metrics.counter("polls_total", "Times that services were asked")
        self._refusals = metrics.counter("refusals_total", "Requests refused", ("reason",))
        self._notifications = metrics.counter(
            "notifications_total", "Notifications by address", ("kind",)
        )
        self._counted = 0

    def refused(self, reason: str) -> None:
        """Count a refusal: `host`, `origin`, `token` or `size`."""
        self._refusals.labels(reason).inc()

    def notified(self, *, sent: int, failed: int) -> None:
        """Count what the addresses took and did not take."""
        self._notifications.labels("sent").inc(sent)
        self._notifications.labels("failed").inc(failed)

    def render(self, polls: int, *, ready: bool) -> bytes:
        """The text for Prometheus."""
        self._metrics.ready.set(ready)
        self._polls.inc(polls - self._counted)
        self._counted = polls
        return self._metrics.render()
