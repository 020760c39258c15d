from __future__ import annotations

import io
import json
import logging
import re
from decimal import Decimal
from pathlib import Path

from pydantic import SecretStr

from pmcore.shell.service.logs import configure_logs


def test_a_line_is_one_json_object_with_event_and_fields() -> None:
    stream = io.StringIO()
    log = configure_logs("feed", "info", stream)
    log.debug("not_shown")
    log.info("window_announced", slug="a-b", tick_e4=100)
    line = json.loads(stream.getvalue())
    assert line["event"] == "window_announced"
    assert (line["service"], line["level"]) == ("feed", "info")
    assert (line["slug"], line["tick_e4"]) == ("a-b", 100)


def test_secrets_print_as_stars() -> None:
    stream = io.StringIO()
    configure_logs("feed", "info", stream).warning("x", token=SecretStr("hush"))
    assert "hush" not in stream.getvalue()


def test_a_fatal_error_is_one_line_with_its_traceback() -> None:
    stream = io.StringIO()
    log = configure_logs("feed", "info", stream)
    try:
        raise RuntimeError("boom")
    except RuntimeError as error:
        log.fatal("task_died", error)
    (text,) = stream.getvalue().splitlines()
    line = json.loads(text)
    assert (line["error"], line["detail"]) == ("RuntimeError", "boom")
    assert "test_logs.py" in line["traceback"]


def test_libraries_speak_through_the_same_formatter() -> None:
    stream = io.StringIO()
    configure_logs("feed", "info", stream)
    logging.getLogger("websockets").info("chatter")
    logging.getLogger("websockets").warning("trouble")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["logger"]) == ("trouble", "websockets")


def test_a_stranger_cannot_fill_the_disk_with_bad_requests() -> None:
    stream = io.StringIO()
    configure_logs("feed", "info", stream)
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert stream.getvalue() == ""
    logging.getLogger("uvicorn.error").error("Exception in ASGI application")
    assert "ASGI" in stream.getvalue()


def test_the_keys_of_a_line_their_order_and_the_form_of_the_time() -> None:
    """Queries and `pm run` read these; decision 10 says why no library writes them."""
    stream = io.StringIO()
    log = configure_logs("feed", "info", stream)
    log.info("window_announced", slug="a-b", price=Decimal("0.10"), path=Path("var"))
    logging.getLogger("websockets").warning("trouble %d", 1)
    try:
        raise RuntimeError("boom")
    except RuntimeError as error:
        log.fatal("task_died", error, task="reader")
    ours, library, fatal = map(json.loads, stream.getvalue().splitlines())
    own = ["ts", "level", "service", "event"]
    assert list(ours) == [*own, "slug", "price", "path"]
    assert (ours["price"], ours["path"]) == ("0.10", "var")
    assert list(library) == [*own, "logger"]
    assert library["event"] == "trouble 1"
    assert list(fatal) == [*own, "task", "error", "detail", "traceback"]
    assert fatal["level"] == "critical"
    for line in (ours, library, fatal):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["ts"])
