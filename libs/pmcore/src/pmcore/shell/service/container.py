"""What runs first in a container: decide where it trades, then start the service.

Compose adds services by profile but cannot change those that are always there, so
docker-compose.yml says PM_VENUE=auto: a container trades in the simulator when one is up as it
starts for the first time, else on the real venue's market data with paper fills. It keeps that
choice (in a file in its own volume). The simulated world has a Redis database of its own, so that
two worlds never mix, and is given no credentials of a real account. `auto` never leads to live
trading: that needs PM_VENUE=polymarket and PM_DRY_RUN=false.

PM_PRESET is expanded here too, from the presets that Compose mounts, so that a service sees plain
variables only.

All containers share one control token, made by the first of them when none is given.
"""

from __future__ import annotations

import http.client
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from pmcore.shell.bus.redis_url import with_database
from pmcore.shell.settings.paper_defaults import paper_defaults
from pmcore.shell.settings.presets import PresetError, apply_preset

CHOICE_FILE = Path("/run/pm/venue")
TOKEN_FILE = Path("/run/pm-control/token")
PRESETS_FOLDER = Path("/etc/pm-presets")
WITHOUT_VENUE = ("pmconsole",)
"""What does not trade, and is not told where it would."""
SIMULATOR_HOST = "simulator"
SIMULATOR_PORT = 8200
SIMULATOR_DATABASE = 1
SIMULATED_SERIES = "btc-updown-60s"
HEALTH_TIMEOUT_S = 2.0
EXIT_USAGE = 2

_SIMULATOR = f"{SIMULATOR_HOST}:{SIMULATOR_PORT}"
_OF_A_REAL_ACCOUNT = {
    "POLYMARKET_PRIVATE_KEY",
    "POLYMARKET_FUNDER_ADDRESS",
    "POLYMARKET_SIGNATURE_TYPE",
    "POLYMARKET_ADDRESS",
    "POLYMARKET_API_KEY",
    "POLYMARKET_API_SECRET",
    "POLYMARKET_API_PASSPHRASE",
}
_TRUE = ("", "true", "t", "yes", "y", "on", "1")


class VenueNotClearError(Exception):
    """The environment could be read as an order to trade in the wrong place."""


def settle_venue(
    environment: Mapping[str, str], choice_file: Path, simulator_is_up: Callable[[], bool]
) -> dict[str, str]:
    """Return the environment with PM_VENUE settled, and for the simulator its addresses.

    On paper, unset variables get the values of .env.example. Raises `VenueNotClearError` when
    `auto` meets PM_DRY_RUN=false.
    """
    asked = environment.get("PM_VENUE", "") or "polymarket"
    on_paper = environment.get("PM_DRY_RUN", "").strip().lower() in _TRUE
    if asked == "auto":
        if not on_paper:
            raise VenueNotClearError(
                "PM_DRY_RUN is false: set PM_VENUE. PM_VENUE=polymarket trades real money, "
                "PM_VENUE=sim trades in the simulator"
            )
        asked = _choice_for_life(choice_file, simulator_is_up)
    settled = {**environment, "PM_VENUE": asked}
    if on_paper or asked == "sim":
        settled |= paper_defaults(environment)
    if asked != "sim":
        return settled
    harmless = {name: value for name, value in settled.items() if not _is_real_account(name)}
    return {**harmless, **_simulated_world(environment)}


def _is_real_account(name: str) -> bool:
    return name.removesuffix("_FILE") in _OF_A_REAL_ACCOUNT


def _choice_for_life(choice_file: Path, simulator_is_up: Callable[[], bool]) -> str:
    if not choice_file.exists():
        choice_file.write_text("sim" if simulator_is_up() else "polymarket", encoding="utf-8")
    return choice_file.read_text(encoding="utf-8")


def _simulated_world(environment: Mapping[str, str]) -> dict[str, str]:
    redis_url = environment.get("PM_REDIS_URL", "") or "redis://redis:6379"
    return {
        "POLYMARKET_REST_URL": f"http://{_SIMULATOR}",
        "POLYMARKET_GAMMA_URL": f"http://{_SIMULATOR}",
        "POLYMARKET_DATA_URL": f"http://{_SIMULATOR}",
        "POLYMARKET_WS_BASE_URL": f"ws://{_SIMULATOR}/ws",
        "POLYMARKET_MARKET_SLUG": environment.get("PM_SIM_SERIES", "") or SIMULATED_SERIES,
        "PM_REDIS_URL": with_database(redis_url, SIMULATOR_DATABASE),
    }


def share_token(environment: Mapping[str, str], token_file: Path) -> dict[str, str]:
    """Return the environment with a control token; all containers that call this get the same."""
    if environment.get("PM_CONTROL_TOKEN") or environment.get("PM_CONTROL_TOKEN_FILE"):
        return dict(environment)
    with tempfile.NamedTemporaryFile("w", dir=token_file.parent, encoding="utf-8") as part:
        part.write(secrets.token_urlsafe(32))
        part.flush()
        with suppress(FileExistsError):
            os.link(part.name, token_file)
    return {**environment, "PM_CONTROL_TOKEN_FILE": str(token_file)}


def is_healthy(port: int) -> bool:
    """Whether /healthz on this container's port answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _simulator_is_up() -> bool:
    try:
        socket.getaddrinfo(SIMULATOR_HOST, SIMULATOR_PORT)
    except socket.gaierror:
        return False
    return True


def _become(package: str) -> NoReturn:
    environment = share_token(os.environ, TOKEN_FILE)
    if package not in WITHOUT_VENUE:
        try:
            preset = apply_preset(environment, PRESETS_FOLDER)
            environment = settle_venue(preset.environ, CHOICE_FILE, _simulator_is_up)
        except (PresetError, VenueNotClearError) as error:
            print(error, file=sys.stderr)
            raise SystemExit(EXIT_USAGE) from None
        if preset.name:
            print(preset.sentence, file=sys.stderr)
        print(f"venue: {environment['PM_VENUE']}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", package]
    os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted


def main(arguments: Sequence[str]) -> int:
    """Run `check`, the health check, or become the named package."""
    if list(arguments) == ["check"]:
        return 0 if is_healthy(int(os.environ["PM_HTTP_PORT"])) else 1
    _become(*arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
