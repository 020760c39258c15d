from __future__ import annotations

import io
import json
import logging

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
