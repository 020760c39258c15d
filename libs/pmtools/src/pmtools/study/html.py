"""Pages of one file: no script, no link, every chart inside; what is missing is said in words."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

_STYLE = """
:root{color-scheme:light}
body{font:15px/1.45 system-ui,sans-serif;color:#1b1f24;background:#fff;max-width:1120px;
margin:0 auto;padding:16px}
h1{font-size:1.5em;margin:.2em 0}h2{font-size:1.1em;margin:0 0 .4em}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:16px;
align-items:start}
section{border:1px solid #d8dee4;border-radius:6px;padding:12px;min-width:0}
section.wide{grid-column:1/-1}img{width:100%;max-width:640px;height:auto;display:block}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;
font-size:13px}th,td{padding:3px 8px;text-align:right;border-bottom:1px solid #eaeef2;
white-space:nowrap}th:first-child,td:first-child{text-align:left}
.note{color:#57606a;font-size:13px;margin:.4em 0}.missing{background:#fff8c5;padding:8px}
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def document(title: str, body: Sequence[str]) -> str:
    """A whole page that asks for nothing over the network."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def image(svg: str, text: str) -> str:
    """A chart; `text` says what it shows."""
    data = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{escape(text)}" src="data:image/svg+xml;base64,{data}">'


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text; a screen that is too narrow scrolls them."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    lines = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll" tabindex="0"><table><tr>{head}</tr>{body}</table></div>'


def section(title: str, content: str, note: str = "", *, wide: bool = False) -> str:
    """A box with its heading; `content` is HTML, `note` is text."""
    kind = ' class="wide"' if wide else ""
    told = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section{kind}><h2>{escape(title)}</h2>{content}{told}</section>"


def missing(title: str, why: str) -> str:
    """A box for what cannot be shown."""
    return section(title, f'<p class="missing">Nothing to show. {escape(why)}</p>')


def listed(sentences: Sequence[str]) -> str:
    """Sentences as a list."""
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in sentences) + "</ul>"
