"""Every variable with our prefixes that anything of this system reads, and what an unknown one is.

A misspelt limit that is silently ignored costs money, so an unknown variable is an error, at the
start of every service and in every tool alike (docs/decisions/0007-unknown-variables.md). One
service does not know another's settings class, so the names stand here; `tests/house` holds them
against the classes, Compose and the tests.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from pmcore.shell.settings.problems import Problem

PREFIXES = ("PM_", "POLYMARKET_")
SEPARATOR = "__"
"""Between a variable and the series that its value is for (docs/decisions/0024)."""
_SERIES = re.compile(r"[A-Z0-9]+(_[A-Z0-9]+)+")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMMON = _names(
    """
    PM_ACCOUNT PM_CLOCK PM_CONSUMER PM_CONTROL_TOKEN PM_CONTROL_TOKEN_FILE PM_DATA_DIR
    PM_DRY_RUN PM_HTTP_HOST PM_HTTP_PORT PM_LOG_LEVEL PM_REDIS_CA_FILE PM_REDIS_PASSWORD
    PM_REDIS_PASSWORD_FILE PM_REDIS_LEASE_REPLICAS PM_REDIS_SENTINEL_PASSWORD
    PM_REDIS_SENTINEL_PASSWORD_FILE PM_REDIS_URL PM_VENUE POLYMARKET_DATA_URL POLYMARKET_GAMMA_URL
    POLYMARKET_MARKET_SLUG POLYMARKET_REST_URL POLYMARKET_WS_BASE_URL
    """
)
FEED = _names(
    """
    PM_FEED_CHECKPOINT_MS PM_FEED_LINGER_S PM_FEED_SILENT_MS PM_MD_MAX_ENTRIES PM_PREWARM_S
    PM_RECORD PM_RECORD_MAX_GB PM_RESOLUTION_TIMEOUT_S PM_UNDERLYING_URL
    """
)
STRATEGY = _names(
    """
    PM_BID_SIZE PM_CANCEL_BEFORE_CLOSE_S PM_DEBOUNCE_MS PM_FAIR_VALUE_MARGIN
    PM_FAIR_VALUE_TWAP_S PM_HEDGE_BY_UNPAIRED_COST
    PM_FIRST_LEG_CALM_MS PM_FIRST_LEG_MAX_MOVE PM_FIRST_LEG_MIN_DEPTH_SHARE
    PM_FIRST_LEG_MOVE_SPAN_S PM_FIRST_LEG_WITHIN_S PM_JOURNAL PM_MAX_DAILY_LOSS
    PM_MAX_NET_DIFF PM_MAX_PORTFOLIO_COST PM_MAX_POSITION_VALUE PM_MAX_WINDOW_LOSS
    PM_MERGE_MIN_PAIRS PM_OFI_CAP
    PM_OFI_ENTER_QUANTILE PM_OFI_EXIT_QUANTILE PM_OFI_EXIT_RATIO PM_OFI_MIN_HOLD_MS
    PM_OFI_MIN_IMBALANCE PM_OFI_MIN_MOVE_TICKS PM_OFI_MIN_SAMPLES PM_OFI_MODE PM_OFI_NET_SIGMAS
    PM_OFI_NET_SPAN_S
    PM_OFI_RECOVERY_HOLD_MS PM_OFI_SCOPE PM_OFI_TOXICITY_THRESHOLD PM_OFI_WINDOW_MS
    PM_ORDER_TTL_MS PM_PAIR_TARGET PM_POSITIONS_LAG_S PM_REPRICE_THRESHOLD PM_SETTLE_GRACE_S
    PM_STALE_AFTER_MS PM_STOP_NEW_RISK_S PM_TICK_SIZE PM_UNDERLYING_MOVE_BP
    PM_UNDERLYING_PAUSE_MS PM_UNDERLYING_SPAN_MS PM_UNDERLYING_STALE_MS
    """
)
OF_PRESETS = STRATEGY - {"PM_JOURNAL"}
"""What a preset may set: what the engine decides by."""
BY_SERIES = OF_PRESETS - {"PM_MAX_DAILY_LOSS"}
"""What may differ by series. The loss of a day is one sum over all of them."""
ACCOUNT = _names(
    """
    POLYMARKET_ADDRESS POLYMARKET_API_CREDENTIALS_FILE POLYMARKET_API_KEY
    POLYMARKET_API_KEY_FILE POLYMARKET_API_PASSPHRASE POLYMARKET_API_PASSPHRASE_FILE
    POLYMARKET_API_SECRET POLYMARKET_API_SECRET_FILE POLYMARKET_FUNDER_ADDRESS
    POLYMARKET_PRIVATE_KEY POLYMARKET_PRIVATE_KEY_FILE POLYMARKET_SIGNATURE_TYPE
    """
)
EXECUTOR = _names(
    """
    PM_CANCEL_RESERVE PM_CHAIN_ID PM_ORDER_LIFE PM_PAPER_FILLS PM_PAPER_LATENCY_MS
    PM_POST_CONCURRENCY PM_POST_TIMEOUT_MS PM_RATE_TIER PM_READ_TIMEOUT_MS PM_WINDOW_LINGER_S
    """
)
USERWS = _names("PM_USERWS_CREDENTIALS_WAIT_S PM_USERWS_LOOKBACK_S PM_USERWS_RECONCILE_S")
SIMULATOR = _names(
    """
    PM_SIM_AUTO_TICK PM_SIM_CHAIN_ID PM_SIM_FAIL_TRADES_PPM PM_SIM_FAULTS PM_SIM_HOST
    PM_SIM_INFORMED_LATENCY_MS
    PM_SIM_LISTED_AHEAD_S PM_SIM_MARKET PM_SIM_OUTBOX_FRAMES PM_SIM_PORT PM_SIM_PROTOCOL
    PM_SIM_RECORDING PM_SIM_SEED PM_SIM_SOURCE PM_SIM_TAKER_DELAY_MS PM_SIM_TIER
    PM_SIM_UNDERLYING_LATENCY_MS PM_SIM_WORLD
    """
)
NOTIFY = _names(
    """
    PM_NOTIFY_NOT_QUOTING_S PM_NOTIFY_REPEAT_S PM_NOTIFY_RESIDUAL_SHARES PM_NOTIFY_URLS
    PM_NOTIFY_URLS_FILE
    """
)
CONSOLE = NOTIFY | _names(
    "PM_CONSOLE_HOSTS PM_EXECUTOR_URL PM_FEED_URL PM_STRATEGY_URL PM_USERWS_URL"
)
SERVICES = COMMON | FEED | STRATEGY | ACCOUNT | EXECUTOR | USERWS | SIMULATOR | CONSOLE
"""What the settings classes read."""

TOOLS = _names("PM_SIMULATOR_URL")
"""What `pm status`, `pm kill` and `pm resume` read beside them."""

COMPOSE = frozenset({"PM_SIM_SERIES", "PM_PRESET"})
"""What Compose hands to containers, and what starts a service there reads, not the service."""

TESTS = _names("PM_FAKE_DEATHS PM_FAKE_DIR PM_RECORDINGS PM_REQUIRE")
"""What the repository's own tests read; no product code does."""

KNOWN = SERVICES | TOOLS | COMPOSE | TESTS


def override_of(name: str) -> tuple[str, str] | None:
    """`PM_BID_SIZE__BTC_UPDOWN_5M` -> (`PM_BID_SIZE`, `BTC_UPDOWN_5M`); None for other names."""
    variable, _, series = name.partition(SEPARATOR)
    return (variable, series) if variable in BY_SERIES and _SERIES.fullmatch(series) else None


def unknown_variables(environ: Mapping[str, str]) -> list[Problem]:
    """A problem for each set variable with our prefix that nothing reads; values are not shown.

    The case counts: `pm_bid_size` is unknown, and named because it differs by its case alone. Other
    lower-case names belong to other programs.
    """
    return [
        _unknown(name)
        for name in sorted(environ)
        if environ[name] and name not in KNOWN and not override_of(name) and _is_ours(name)
    ]


def nearest(name: str) -> str:
    """The known variable that a misspelt one most likely meant, or "" when none is near."""
    wanted = name.upper()
    meant = KNOWN - TESTS
    squeezed = {each.replace("_", ""): each for each in sorted(meant)}
    if wanted.replace("_", "") in squeezed:
        return squeezed[wanted.replace("_", "")]
    found = difflib.get_close_matches(wanted, sorted(meant), n=1, cutoff=0.8)
    return found[0] if found else ""


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIXES) or name.upper().partition(SEPARATOR)[0] in KNOWN


def _unknown(name: str) -> Problem:
    variable, separator, series = name.partition(SEPARATOR)
    if separator and variable in KNOWN:
        return _no_override(name, variable, series)
    meant = nearest(variable)
    if meant and separator:
        meant += SEPARATOR + series.upper()
    if not meant:
        return Problem(
            variable=name,
            reason="nothing reads a variable of this name",
            remedy="unset it; .env.example lists all variables",
        )
    return Problem(
        variable=name,
        reason=f"nothing reads a variable of this name ({meant} was meant?)",
        remedy=f"rename it to {meant}, or unset it",
    )


def _no_override(name: str, variable: str, series: str) -> Problem:
    if variable not in BY_SERIES:
        return Problem(
            variable=name,
            reason=f"{variable} cannot differ by series",
            remedy=f"unset it, and set {variable} for all of them",
        )
    return Problem(
        variable=name,
        reason=f"{series!r} is no series",
        remedy=f"write the series in capitals, for example {variable}{SEPARATOR}BTC_UPDOWN_5M",
    )
