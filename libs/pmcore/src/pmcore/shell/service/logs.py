"""JSON lines on stdout: an event name plus fields. The line is the schema; no string building."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

_QUIET = {
    **dict.fromkeys(("httpx", "httpcore", "websockets", "asyncio", "hpack"), logging.WARNING),
    "uvicorn": logging.ERROR,  # it warns of each bad request, so a stranger could fill the disk
}


def _as_text(value: object) -> object:
    return str(value)


_encoder = msgspec.json.Encoder(enc_hook=_as_text, decimal_format="string")


class _JsonFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "event": record.getMessage(),
        }
        if not record.name.startswith("pm."):
            line["logger"] = record.name
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encoder.encode(line).decode()


class Log:
    """`log.info("window_announced", slug=slug)`. Secrets are `SecretStr` and print as stars."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: object) -> None:
        """Log for a developer."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Log something that happened as it should."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log something that a person may want to look at."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Log something that a person must look at."""
        self._write(logging.ERROR, event, fields)

    def fatal(self, event: str, error: BaseException, **fields: object) -> None:
        """Log the error that ends the process, with its traceback in one line."""
        trace = (type(error), error, error.__traceback__)
        fields.update(error=type(error).__name__, detail=str(error)[:500])
        self._logger.critical(event, extra={"fields": fields}, exc_info=trace)

    def _write(self, level: int, event: str, fields: dict[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={"fields": fields})


def configure_logs(service: str, level: str, stream: TextIO | None = None) -> Log:
    """Send every logger of the process through the JSON formatter; return the service's own."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(_JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)
    logger = logging.getLogger(f"pm.{service}")
    logger.setLevel(level.upper())
    return Log(logger)
