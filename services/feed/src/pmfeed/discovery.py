"""Which market is the window: Gamma by slug, cross-checked with the CLOB; later: who won."""

from __future__ import annotations

import msgspec

from pmcore.model.errors import Cause, MalformedInputError, Sent, TransportError
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_S
from pmcore.shell.causes import cause_of_status
from pmcore.shell.clock import Clock
from pmcore.shell.http import JsonReader
from pmcore.shell.service.health import Health
from pmcore.shell.service.logs import Log
from pmcore.venue.listings import (
    check_pairing,
    find_market,
    parse_clob_market,
    parse_gamma_market,
    winner_of,
)

ASK_FIRST_MS = 250.0
ASK_MOST_MS = 5000.0
RESOLUTION_EVERY_MS = 5000.0
_NO_ANSWER = (401, 403, 429, 451)
_SERVER_FAULT = 500
NOT_YET = frozenset({"not_listed", "no_token_ids"})


class Discovery:
    """Asks Gamma; nothing here is on the hot path."""

    def __init__(
        self,
        gamma: JsonReader,
        rest: JsonReader,
        clock: Clock,
        log: Log,
        health: Health | None = None,
    ) -> None:
        self._health = health or Health()
        self._gamma = gamma
        self._rest = rest
        self._clock = clock
        self._log = log

    async def find(self, slug: str, give_up_ns: int) -> Window | None:
        """Ask until the window is listed and complete; None when it is refused or time is up.

        Each new kind of failure is one log line.
        """
        delay_ms = ASK_FIRST_MS
        said = ""
        what = f"window of {slug.rpartition('-')[0]}"
        while True:
            try:
                window = await self._ask(slug)
            except MalformedInputError as error:
                problem, cause = str(error), Cause.NO_WINDOW
                if error.reason not in NOT_YET:
                    self._log.error("window_refused", slug=slug, reason=problem)
                    self._health.set_trouble(what, cause, problem)
                    return None
            except TransportError as error:
                problem, cause = str(error), error.cause
            else:
                self._health.clear_trouble(what)
                return window
            self._health.set_trouble(what, cause, problem)
            if problem != said:
                said = problem
                self._log.warning("window_not_found_yet", slug=slug, reason=problem)
            if self._clock.now_ns() + delay_ms * 1e6 >= give_up_ns:
                self._log.error("window_given_up", slug=slug, reason=problem)
                return None
            await self._clock.sleep_ms(delay_ms)
            delay_ms = min(delay_ms * 2, ASK_MOST_MS)

    async def winner(self, slug: str, give_up_ns: int) -> Outcome | None:
        """Ask until Gamma names the winner; None when time is up."""
        while True:
            try:
                winner = winner_of(await self._listing(slug))
            except (MalformedInputError, TransportError) as error:
                self._log.debug("resolution_not_known_yet", slug=slug, reason=str(error))
                winner = None
            if winner is not None or self._clock.now_ns() >= give_up_ns:
                return winner
            await self._clock.sleep_ms(RESOLUTION_EVERY_MS)

    async def _ask(self, slug: str) -> Window:
        window = parse_gamma_market(await self._listing(slug))
        try:
            answer = await self._rest.get(f"/clob-markets/{window.condition_id}")
        except TransportError as error:
            self._log.warning("clob_check_skipped", slug=slug, reason=str(error))
            return window
        if not answer.ok:
            self._log.warning("clob_check_skipped", slug=slug, reason=f"HTTP {answer.status}")
            return window
        market = parse_clob_market(answer.body)
        check_pairing(window, market)
        return msgspec.structs.replace(
            window,
            tick_e4=market.tick_e4,
            min_size_u6=market.min_size_u6,
            neg_risk=market.neg_risk,
            inferred=(),
        )

    async def _listing(self, slug: str) -> object:
        """Return Gamma's market object.

        /events answers are large, closed ones need `closed=true`.
        """
        status = 0
        for path, more in (("/markets", {}), ("/events", {}), ("/markets", {"closed": "true"})):
            answer = await self._gamma.get(path, {"slug": slug, **more})
            status = answer.status
            market = find_market(answer.body, slug) if answer.ok else None
            if market is not None:
                return market
        if status in _NO_ANSWER or status >= _SERVER_FAULT:
            text = f"Gamma answers {status} for {slug}"
            cause = cause_of_status(status)
            raise TransportError(text, retryable=True, sent=Sent.YES, cause=cause)
        raise MalformedInputError("not_listed", f"{slug} (HTTP {status})")


def seconds_ns(seconds: float) -> int:
    """Seconds of a setting as nanoseconds."""
    return int(seconds * NS_PER_S)
