"""Who may pass in which trading mode, with the venue's texts (docs/venue.md 1.7)."""

from __future__ import annotations

from pmcore.model.units import NS_PER_S
from pmsim.faults.plan import POST_ONLY_AFTER_RESTART_S, TradingMode
from pmsim.venue.ports import CancelOutcome, NewOrder, PlaceResult

NOT_READY_TEXT = "Service is not ready"
POST_ONLY_TEXT = "post-only mode: only post-only orders and cancels are allowed"
CANCEL_ONLY_TEXT = (
    "Trading is currently cancel-only. New orders are not accepted, but cancels are allowed."
)
DISABLED_TEXT = "Trading is currently disabled. Check polymarket.com for updates"
_ENDLESS_RETRY_S = 60


class TradingModes:
    """The mode over time. A restart is followed by two minutes of post-only mode."""

    def __init__(self) -> None:
        self._spans: list[tuple[int | None, TradingMode]] = []

    def begin(self, mode: TradingMode, for_s: int, at_ns: int) -> None:
        """Enter a mode; for 0 s: until the next one begins."""
        if mode is TradingMode.OPEN:
            restarting = self.mode(at_ns) is TradingMode.RESTART
            after_ns = at_ns + POST_ONLY_AFTER_RESTART_S * NS_PER_S
            self._spans = [(after_ns, TradingMode.POST_ONLY)] if restarting else []
            return
        end_ns = at_ns + for_s * NS_PER_S if for_s else None
        self._spans = [(end_ns, mode)]
        if mode is TradingMode.RESTART and end_ns is not None:
            after_ns = end_ns + POST_ONLY_AFTER_RESTART_S * NS_PER_S
            self._spans.append((after_ns, TradingMode.POST_ONLY))

    def mode(self, at_ns: int) -> TradingMode:
        """The mode at a time."""
        return self._span(at_ns)[1]

    def refuses_order(self, order: NewOrder, at_ns: int) -> PlaceResult | None:
        """The answer to an order that may not pass."""
        end_ns, mode = self._span(at_ns)
        if mode is TradingMode.OPEN or (mode is TradingMode.POST_ONLY and order.post_only):
            return None
        retry_s = _ENDLESS_RETRY_S if end_ns is None else -((at_ns - end_ns) // NS_PER_S)
        texts = {
            TradingMode.RESTART: (425, NOT_READY_TEXT, "", 1),
            TradingMode.POST_ONLY: (503, POST_ONLY_TEXT, "post_only_mode", retry_s),
            TradingMode.CANCEL_ONLY: (503, CANCEL_ONLY_TEXT, "", 0),
            TradingMode.DISABLED: (503, DISABLED_TEXT, "", 0),
        }
        http_status, text, code, retry_after_s = texts[mode]
        return PlaceResult(
            order_hash=order.order_hash,
            http_status=http_status,
            error=text,
            code=code,
            retry_after_s=retry_after_s,
        )

    def refuses_cancel(self, at_ns: int) -> CancelOutcome | None:
        """The answer to a cancel that may not pass."""
        match self._span(at_ns)[1]:
            case TradingMode.RESTART:
                return CancelOutcome(http_status=425, error=NOT_READY_TEXT, retry_after_s=1)
            case TradingMode.DISABLED:
                return CancelOutcome(http_status=503, error=DISABLED_TEXT)
            case _:
                return None

    def _span(self, at_ns: int) -> tuple[int | None, TradingMode]:
        for end_ns, mode in self._spans:
            if end_ns is None or at_ns < end_ns:
                return end_ns, mode
        return None, TradingMode.OPEN
