"""docker-compose.yml as a user starts it, under a project name and on ports of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.tree import ROOT

CONTROL_PORTS = {
    "simulator": 8100,
    "feed": 8101,
    "strategy": 8102,
    "executor": 8103,
    "userws": 8104,
    "console": 8105,
    "prometheus": 9090,
    "grafana": 3000,
}
NOWHERE = "registry.invalid/none"
COMMAND_TIMEOUT_S = 900.0
HTTP_TIMEOUT_S = 5.0


class NotReachedError(AssertionError):
    """What was waited for did not come."""


class System:
    """One Compose project; every method raises when Docker says no.

    `root`: the checkout that it belongs to, with a docker-compose.yml of its own.
    """

    def __init__(
        self, name: str, directory: Path, root: Path = ROOT, /, **environment: str
    ) -> None:
        self.name = name
        self._away_from_the_users_env = (
            "--project-directory",
            str(root),
            "--env-file",
            os.devnull,
        )
        self._environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("PM_", "POLY"))
        } | environment
        self._files = ["-f", str(root / "docker-compose.yml"), "-f", str(_on_free_ports(directory))]

    @property
    def command(self) -> list[str]:
        """`docker compose` with all that makes it this system."""
        return ["docker", "compose", "-p", self.name, *self._files, *self._away_from_the_users_env]

    @property
    def environment(self) -> dict[str, str]:
        """What the command is given."""
        return dict(self._environment)

    def without_image(self, service: str, directory: Path) -> None:
        """Let the image of a service be one that no machine can pull."""
        file = directory / f"no-{service}.yml"
        file.write_text(f"services:\n  {service}:\n    image: {NOWHERE}-{service}:{self.name}\n")
        self._files += ["-f", str(file)]

    def cut_off(self, directory: Path) -> None:
        """Let no container's packets leave this machine; the published ports stay."""
        file = directory / "cut-off.yml"
        option = 'com.docker.network.bridge.enable_ip_masquerade: "false"'
        file.write_text(f"networks:\n  default:\n    driver_opts:\n      {option}\n")
        self._files += ["-f", str(file)]

    def compose(self, *arguments: str, profile: str = "sim") -> str:
        """Run `docker compose` and return what it prints."""
        chosen = ["--profile", profile] if profile else []
        command = self.command
        done = subprocess.run(
            [*command, *chosen, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise NotReachedError(f"docker compose {' '.join(arguments)}\n{done.stderr[-4000:]}")
        return done.stdout

    def url(self, service: str) -> str:
        """Where a service's port is on this machine."""
        return f"http://{self.compose('port', service, str(CONTROL_PORTS[service])).strip()}"

    def token(self) -> str:
        """The bearer token that the containers share."""
        return self.compose("exec", "-T", "executor", "cat", "/run/pm-control/token").strip()

    def state(self, service: str) -> dict[str, Any]:
        """A service's /state."""
        return fetch(f"{self.url(service)}/state", token=self.token())

    def tell(self, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST to a control endpoint."""
        return fetch(f"{self.url(service)}{path}", token=self.token(), body=body)

    def audit(self) -> dict[str, Any]:
        """What the simulated venue knows of every account."""
        script = (
            "import urllib.request as r; "
            "print(r.urlopen('http://127.0.0.1:8200/audit', timeout=5).read().decode())"
        )
        found: dict[str, Any] = json.loads(
            self.compose("exec", "-T", "simulator", "python", "-c", script)
        )
        return found

    def containers(self) -> dict[str, dict[str, Any]]:
        """`docker inspect` of each container, by service."""
        ids = self.compose("ps", "--all", "--quiet").split()
        listed = subprocess.run(
            ["docker", "inspect", *ids], capture_output=True, text=True, check=True
        ).stdout
        return {
            one["Config"]["Labels"]["com.docker.compose.service"]: one for one in json.loads(listed)
        }

    def logs(self, *services: str) -> str:
        """The last lines of every service."""
        return self.compose("logs", "--no-color", "--tail", "60", *services)

    def remove(self) -> None:
        """Stop everything and forget it, volumes included."""
        self.compose("down", "--volumes", "--timeout", "30")


def _on_free_ports(directory: Path) -> Path:
    lines = [
        f'  {service}:\n    ports: !override ["127.0.0.1::{port}"]\n'
        for service, port in CONTROL_PORTS.items()
    ]
    file = directory / "free-ports.yml"
    file.write_text("services:\n" + "".join(lines))
    return file


def fetch(url: str, *, token: str = "", body: dict[str, Any] | None = None) -> dict[str, Any]:
    """GET, or POST a JSON body; the answer's JSON, an error's too."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_S) as response:
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        answer = json.load(error)
    return answer


def wait_for(what: str, found: Callable[[], object], *, within_s: float) -> float:
    """Ask once a second until the answer is true; return the seconds it took."""
    begun = time.monotonic()
    last: object = None
    while (waited := time.monotonic() - begun) < within_s:
        try:
            last = found()
        except (OSError, ValueError, KeyError, NotReachedError) as error:
            last = error
        else:
            if last:
                return waited
        time.sleep(1)
    raise NotReachedError(f"{what}: not within {within_s:.0f} s; last seen: {last!r}")
