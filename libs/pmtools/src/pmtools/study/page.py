"""The report as one HTML file: no script, no link, every chart inside."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from pmcore.model.units import NS_PER_S, PRICE_ONE_E4, SHARE_U6
from pmtools.money import cost_text, profit_text
from pmtools.study import charts
from pmtools.study.caveats import caveats_of
from pmtools.study.figures import Estimate, ReportFigures
from pmtools.study.tables import Tables

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


def page(figures: ReportFigures, tables: Tables, slug: str | None) -> str:
    """The whole page; `slug` is the window that is shown in detail, None without any quotes."""
    body = [
        "<h1>What the replayed windows earned</h1>",
        _header(figures),
        '<div class="grid">',
        _ledgers(figures),
        _equity(figures),
        _parts(figures),
        _markouts(figures),
        _pairing(figures),
        _reasons(figures),
        *(_window(tables, slug) if slug else [_missing("One window", "No decision was noted.")]),
        "</div>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>Replayed windows</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def estimate_text(one: Estimate | None, unit: str = "") -> str:
    """+1.20 [+0.80, +1.60]: a figure and its interval."""
    if one is None:
        return "not known"
    if one.low is None or one.high is None:
        return f"{one.value:+.2f}{unit} (one window: no interval)"
    return f"{one.value:+.2f}{unit} [{one.low:+.2f}, {one.high:+.2f}]"


def share_text(one: Estimate | None) -> str:
    """5 % [3 %, 8 %]: a part of a whole and its interval."""
    if one is None:
        return "not known"
    if one.low is None or one.high is None:
        return f"{one.value:.1%} (one window: no interval)"
    return f"{one.value:.1%} [{one.low:.1%}, {one.high:.1%}]"


def _header(figures: ReportFigures) -> str:
    days = " to ".join(dict.fromkeys((figures.days[0], figures.days[-1])))
    profit = sum(figures.profit_parts.values())
    sums = (
        f"{figures.windows} windows of {', '.join(figures.series)}, {days}. "
        f"Fills seen by the engine: {', '.join(figures.acting_models)}. {figures.fills} fills, "
        f"{round(figures.shares, 2):g} shares, {profit_text(profit)}. "
        f"A window: {estimate_text(figures.profit_a_window)} dollars; "
        f"a share: {estimate_text(figures.cents_a_share)} cents."
    )
    caveats = "".join(f"<li>{escape(text)}</li>" for text in caveats_of(figures))
    return (
        f"<p>{escape(sums)}</p><h2>What is not known</h2><ul>{caveats}</ul>"
        '<p class="note">Intervals are 95 % of 2,000 resamples of whole windows.</p>'
    )


def _ledgers(figures: ReportFigures) -> str:
    title = "Three ledgers of the same orders"
    if not figures.ledgers:
        return _missing(title, "No ledger: journals have none, and no window has a worth.")
    rows = [
        (
            one.fill_model,
            f"{one.shares:.2f}",
            cost_text(one.paid),
            profit_text(one.profit),
            estimate_text(one.profit_a_window),
            estimate_text(one.cents_a_share),
        )
        for one in figures.ledgers
    ]
    heads = ("fills by", "shares", "paid", "profit", "$ a window", "¢ a share")
    note = "Only the acting model's fills were seen by the engine; the others may lack a leg."
    return _section(title, _table(heads, rows), note, wide=True)


def _equity(figures: ReportFigures) -> str:
    if not any(one.profit is not None for one in figures.equity):
        return _missing("Equity over windows", "No window has a winner or a last mid.")
    return _section(
        "Equity over windows", _image(charts.equity_chart(figures), "equity over the windows")
    )


def _parts(figures: ReportFigures) -> str:
    if not figures.fills:
        return _missing("Where the profit came from", "No fill.")
    note = "From price to mid (spread), on to the pairing or 60 s (adverse), to the end (residual)."
    image = _image(charts.parts_chart(figures), "parts of the profit in dollars")
    return _section("Where the profit came from", image, note)


def _markouts(figures: ReportFigures) -> str:
    title = "Markouts: mid less price after a fill"
    if not figures.markouts:
        return _missing(title, "No fill whose later mid is known.")
    rows = [
        (one.legs, one.horizon, estimate_text(one.cents), str(one.fills), str(one.windows))
        for one in figures.markouts
    ]
    table = _table(("legs", "after", "¢ a share", "fills", "windows"), rows)
    image = _image(charts.markout_chart(figures), "markout curves in cents a share")
    median = f"Median of all fills at 30 s: {estimate_text(figures.median_markout_30s_cents)} ¢."
    return _section(title, image + table, median)


def _pairing(figures: ReportFigures) -> str:
    title = "Pairing, and how long first legs wait"
    if not figures.unpaired_after:
        return _missing(title, "No first leg was filled, or no window has a worth.")
    paired, cost = figures.paired_share, figures.pair_cost
    note = f"Paired part of the shares: {share_text(paired)}. "
    note += f"Mean pair cost {cost_text(cost)}." if cost is not None else "No pair."
    image = _image(charts.survival_chart(figures), "part of first legs not yet paired")
    return _section(title, image, note)


def _reasons(figures: ReportFigures) -> str:
    title = "Why no bid rested, over the window"
    if not figures.reasons:
        return _missing(title, "No decision was noted.")
    means = {name: sum(parts) / len(parts) for name, parts in figures.reasons.items()}
    rows = [("a bid rests" if n == "none" else n, f"{part:.1%}") for n, part in means.items()]
    note = f"Both bids rest: {share_text(figures.both_rest_share)} of the quoting time. "
    note += f"Toxic seconds: {share_text(figures.toxic_share)} of all."
    image = _image(charts.reasons_chart(figures), "reasons over the time of the window")
    return _section(title, image + _table(("reason", "part"), rows), note)


def _window(tables: Tables, slug: str) -> Sequence[str]:
    open_ns = tables.windows.filter(slug=slug)["open_ns"][0]
    quotes = _image(charts.quotes_chart(tables, slug, open_ns), "our bids against the book")
    seconds = tables.seconds.filter(slug=slug)
    flow = _image(charts.flow_chart(tables, slug, open_ns), "flow against its threshold")
    if not any(seconds["up_ofi_u6"]) and not any(seconds["down_ofi_u6"]):
        flow = '<p class="missing">No flow was measured: PM_OFI_MODE=off, or no trade.</p>'
    fills = tables.fills.filter(slug=slug)
    heads = ("since open", "outcome", "leg", "price", "shares", "rested", "1 s ¢", "30 s ¢")
    rows = [
        (
            f"{row['since_open_ns'] / NS_PER_S:.1f} s",
            row["outcome"],
            ("hedge" if row["hedge"] else "first") + (" (failed)" if row["failed"] else ""),
            f"{row['price_e4'] / PRICE_ONE_E4:g}",
            f"{row['size_u6'] / SHARE_U6:g}",
            "" if row["rested_ns"] is None else f"{row['rested_ns'] / NS_PER_S:.1f} s",
            _cents(row["markout_1s_2_e4"]),
            _cents(row["markout_30s_2_e4"]),
        )
        for row in fills.iter_rows(named=True)
    ]
    tape = _table(heads, rows) if rows else '<p class="missing">No fill in this window.</p>'
    return (
        _section(f"Our bids against the book: {slug}", quotes, "One look a second."),
        _section(f"Flow against its threshold: {slug}", flow, "A dashed line is the threshold."),
        _section(f"Fills of {slug}", tape, "All windows' fills are in the table fills.", wide=True),
    )


def _cents(twice_e4: int | None) -> str:
    return "not known" if twice_e4 is None else f"{twice_e4 / 200:+.1f}"


def _image(svg: str, text: str) -> str:
    data = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{escape(text)}" src="data:image/svg+xml;base64,{data}">'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    lines = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll" tabindex="0"><table><tr>{head}</tr>{body}</table></div>'


def _section(title: str, content: str, note: str = "", *, wide: bool = False) -> str:
    kind = ' class="wide"' if wide else ""
    told = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section{kind}><h2>{escape(title)}</h2>{content}{told}</section>"


def _missing(title: str, why: str) -> str:
    return _section(title, f'<p class="missing">Nothing to show. {escape(why)}</p>')
