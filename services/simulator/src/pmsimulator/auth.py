"""Authentication: a signed request becomes an account, or is refused."""

from __future__ import annotations

from fastapi import Request

from pmsimulator.credentials import Credentials, KeyRing
from pmsimulator.world import World


class Door:
    """L2 authentication (docs/venue.md 3.2)."""

    def __init__(self, world: World, keys: KeyRing) -> None:
        self._world = world
        self._keys = keys

    async def signed(self, request: Request) -> tuple[Credentials, bytes]:
        """Whose request this is, and its body; raise `VenueError` 401."""
        body = await request.body()
        path = request.url.path
        credentials = self._keys.check_request(request.headers, request.method, path, body)
        self._world.admit(credentials)
        return credentials, body
