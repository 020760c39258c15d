"""The report as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pmcore.model.units import NS_PER_S, PRICE_ONE_E4, SHARE_U6
from pmtools.money import cost_text, profit_text
from pmtools.study import charts
from pmtools.study.caveats import caveats_of
from pmtools.study.figures import Estimate, ReportFigures
from pmtools.study.html import document, image, listed, missing, section, table
from pmtools.study.tables import Tables


def page(
    figures: ReportFigures,
    tables: Tables,
    slug: str | None,
    *,
    title: str,
    sources: Sequence[str] = (),
) -> str:
    """The whole page; `slug` is the window that is shown in detail, None without any quotes.

    `sources` say which engines the windows are of, and what of them could not be read.
    """
    body = [
        _header(figures),
        *((f"<h2>Where the windows come from</h2>{listed(sources)}",) if sources else ()),
        '<div class="grid">',
        _ledgers(figures),
        _equity(figures),
        _parts(figures),
        _markouts(figures),
        _pairing(figures),
        _reasons(figures),
        *(_window(tables, slug) if slug else [missing("One window", "No decision was noted.")]),
        "</div>",
    ]
    return document(title, body)


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
    return (
        f"<p>{escape(sums)}</p><h2>What is not known</h2>{listed(caveats_of(figures))}"
        '<p class="note">Intervals are 95 % of 2,000 resamples of whole windows.</p>'
    )


def _ledgers(figures: ReportFigures) -> str:
    title = "Three ledgers of the same orders"
    if not figures.ledgers:
        return missing(title, "No ledger: journals have none, and no window has a worth.")
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
    return section(title, table(heads, rows), note, wide=True)


def _equity(figures: ReportFigures) -> str:
    if not any(one.profit is not None for one in figures.equity):
        return missing("Equity over windows", "No window has a winner or a last mid.")
    return section(
        "Equity over windows", image(charts.equity_chart(figures), "equity over the windows")
    )


def _parts(figures: ReportFigures) -> str:
    if not figures.fills:
        return missing("Where the profit came from", "No fill.")
    note = "From price to mid (spread), on to the pairing or 60 s (adverse), to the end (residual)."
    chart = image(charts.parts_chart(figures), "parts of the profit in dollars")
    return section("Where the profit came from", chart, note)


def _markouts(figures: ReportFigures) -> str:
    title = "Markouts: mid less price after a fill"
    if not figures.markouts:
        return missing(title, "No fill whose later mid is known.")
    rows = [
        (one.legs, one.horizon, estimate_text(one.cents), str(one.fills), str(one.windows))
        for one in figures.markouts
    ]
    rows_shown = table(("legs", "after", "¢ a share", "fills", "windows"), rows)
    chart = image(charts.markout_chart(figures), "markout curves in cents a share")
    median = f"Median of all fills at 30 s: {estimate_text(figures.median_markout_30s_cents)} ¢."
    return section(title, chart + rows_shown, median)


def _pairing(figures: ReportFigures) -> str:
    title = "Pairing, and how long first legs wait"
    if not figures.unpaired_after:
        return missing(title, "No first leg was filled, or no window has a worth.")
    paired, cost = figures.paired_share, figures.pair_cost
    note = f"Paired part of the shares: {share_text(paired)}. "
    note += f"Mean pair cost {cost_text(cost)}." if cost is not None else "No pair."
    chart = image(charts.survival_chart(figures), "part of first legs not yet paired")
    return section(title, chart, note)


def _reasons(figures: ReportFigures) -> str:
    title = "Why no bid rested, over the window"
    if not figures.reasons:
        return missing(title, "No decision was noted.")
    means = {name: sum(parts) / len(parts) for name, parts in figures.reasons.items()}
    rows = [("a bid rests" if n == "none" else n, f"{part:.1%}") for n, part in means.items()]
    note = f"Both bids rest: {share_text(figures.both_rest_share)} of the quoting time. "
    note += f"Toxic seconds: {share_text(figures.toxic_share)} of all."
    chart = image(charts.reasons_chart(figures), "reasons over the time of the window")
    return section(title, chart + table(("reason", "part"), rows), note)


def _window(tables: Tables, slug: str) -> Sequence[str]:
    open_ns = tables.windows.filter(slug=slug)["open_ns"][0]
    quotes = image(charts.quotes_chart(tables, slug, open_ns), "our bids against the book")
    seconds = tables.seconds.filter(slug=slug)
    flow = image(charts.flow_chart(tables, slug, open_ns), "flow against its threshold")
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
    tape = table(heads, rows) if rows else '<p class="missing">No fill in this window.</p>'
    return (
        section(f"Our bids against the book: {slug}", quotes, "One look a second."),
        section(f"Flow against its threshold: {slug}", flow, "A dashed line is the threshold."),
        section(f"Fills of {slug}", tape, "All windows' fills are in the table fills.", wide=True),
    )


def _cents(twice_e4: int | None) -> str:
    return "not known" if twice_e4 is None else f"{twice_e4 / 200:+.1f}"
