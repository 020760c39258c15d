"""The venue by itself: no Redis, no control port, no other service; Ctrl-C ends it."""

from __future__ import annotations

import asyncio
import signal
import sys

from pmcore.model.errors import InvariantError
from pmcore.shell.clock import Clock
from pmcore.shell.service.errors import StartupError
from pmsimulator.settings import SimulatorSettings
from pmsimulator.venue import OpenVenue


def run_alone(settings: SimulatorSettings) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code: 0 done, 1 failed, 2 cannot start."""
    try:
        venue = OpenVenue(settings, Clock.from_spec(settings.clock))
    except StartupError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    code = 0
    try:
        asyncio.run(_serve(venue, settings))
    except* InvariantError as broken:
        print(f"simulator: {broken.exceptions[0]}", file=sys.stderr)
        code = 1
    return code


async def _serve(venue: OpenVenue, settings: SimulatorSettings) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, venue.close)
    print(directions(venue.address, settings.chain_id, venue.world.venue.source), flush=True)
    await venue.run()


def directions(address: str, chain_id: int, source: str) -> str:
    """One line that says how to point a client at the venue."""
    return (
        f"Polymarket, simulated ({source}): "
        f'ClobClient(host="http://{address}", chain_id={chain_id}, key=ANY_KEY), '
        f"Gamma http://{address}, WebSockets ws://{address}/ws/market and /ws/user"
    )
