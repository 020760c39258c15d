"""A dashboard of ours: its series variable, its annotations, and rows of panels of two kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import NamedTuple, Self, TypeVar

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import QueryEditorMode

SOURCE = models.DataSourceRef(type_val="prometheus", uid="prometheus")
"""The one of grafana/provisioning/datasources."""
TAG = "pm"
STAT_HEIGHT = 4
LINES_HEIGHT = 8
PanelT = TypeVar("PanelT", stat.Panel, timeseries.Panel)
SERIES = '{series=~"$series"}'
"""The selector of what the variable chooses."""


class Query(NamedTuple):
    """A query, and what its lines are called."""

    expression: str
    legend: str = ""


class Annotation(NamedTuple):
    """What is marked in every panel, and by which query."""

    name: str
    expression: str
    color: str


ANNOTATIONS = (
    Annotation(
        "Rotations",
        f"sum by (series) (increase(pm_strategy_windows_total{SERIES}[1m])) > 0",
        "blue",
    ),
    Annotation(
        "Kills", 'sum(increase(pm_executor_kill_seconds_count{kind="cancelled"}[1m])) > 0', "red"
    ),
    Annotation(
        "Rejections",
        "sum by (reason) (increase(pm_executor_orders_rejected_total[1m])) > 0",
        "orange",
    ),
)


class DashboardPage:
    """Panels stand in the order in which they are added; a line of them is 24 wide."""

    def __init__(self, uid: str, title: str) -> None:
        self.uid = uid
        self._panels = 0
        links = builders.DashboardLink("Dashboards")
        self._builder = (
            builders.Dashboard(f"pm-as-ofi: {title}")
            .uid(uid)
            .tags([TAG])
            .timezone("utc")
            .readonly()
            .refresh("5s")
            .time("now-15m", "now")
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .with_variable(_series_variable())
            .annotations([_annotation(one) for one in ANNOTATIONS])
            .link(
                links.type(models.DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .as_dropdown(as_dropdown=True)
                .include_vars(include_vars=True)
                .keep_time(keep_time=True)
            )
        )

    def row(self, title: str) -> Self:
        """Begin a row; the panels that follow stand below its title."""
        self._builder.with_row(builders.Row(title).id(self._next_id()))
        return self

    def stat(
        self,
        title: str,
        *queries: Query,
        unit: str = "short",
        width: int = 4,
        says: Mapping[str, tuple[str, str]] | None = None,
        steps: tuple[tuple[float | None, str], ...] = ((None, "text"),),
        names_only: bool = False,
        description: str = "",
    ) -> Self:
        """Add numbers of now; `says`: words and colors of values, `steps`: colors above."""
        panel = self._begin(stat.Panel(), title, queries, unit, description)
        panel.span(width).height(STAT_HEIGHT)
        mode = common.BigValueTextMode.NAME if names_only else common.BigValueTextMode.AUTO
        panel.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        panel.graph_mode(common.BigValueGraphMode.NONE).text_mode(mode)
        panel.color_mode(common.BigValueColorMode.BACKGROUND)
        thresholds = builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE)
        panel.thresholds(thresholds.steps([models.Threshold(value, c) for value, c in steps]))
        if says is not None:
            words = {
                value: models.ValueMappingResult(text=text, color=color)
                for value, (text, color) in says.items()
            }
            panel.mappings([models.ValueMap(options=words)])
        self._builder.with_panel(panel)
        return self

    def lines(
        self,
        title: str,
        *queries: Query,
        unit: str = "short",
        width: int = 12,
        from_zero: bool = True,
        stacked: bool = False,
        description: str = "",
    ) -> Self:
        """Add values over time."""
        panel = self._begin(timeseries.Panel(), title, queries, unit, description)
        panel.span(width).height(LINES_HEIGHT)
        legend = common_builders.VizLegendOptions().show_legend(show_legend=True)
        legend.display_mode(common.LegendDisplayMode.LIST)
        legend.placement(common.LegendPlacement.BOTTOM)
        panel.legend(legend)
        tooltip = common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI)
        panel.tooltip(tooltip.sort(common.SortOrder.DESCENDING))
        panel.line_width(1).fill_opacity(40 if stacked else 5)
        panel.show_points(common.VisibilityMode.NEVER)
        if from_zero:
            panel.min(0)
        if stacked:
            normal = common_builders.StackingConfig().mode(common.StackingMode.NORMAL)
            panel.stacking(normal)
        self._builder.with_panel(panel)
        return self

    def build(self) -> models.Dashboard:
        """The finished dashboard, in Grafana's own types."""
        return self._builder.build()

    def _next_id(self) -> int:
        self._panels += 1
        return self._panels

    def _begin(
        self, panel: PanelT, title: str, queries: Sequence[Query], unit: str, description: str
    ) -> PanelT:
        panel.title(title).id(self._next_id()).datasource(SOURCE).unit(unit)
        if description:
            panel.description(description)
        for ref_id, query in zip(ascii_uppercase, queries, strict=False):
            target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend)
            target.ref_id(ref_id).datasource(SOURCE).range()
            panel.with_target(target.editor_mode(QueryEditorMode.CODE))
        return panel


def rate(name: str, by: str = "series", selector: str = SERIES) -> str:
    """How much a counter rises in a second."""
    return f"{_sum(by)}(rate({name}{selector}[$__rate_interval]))"


def rise(name: str, by: str = "series", selector: str = SERIES) -> str:
    """How much a counter rises in the time between two points."""
    return f"{_sum(by)}(increase({name}{selector}[$__rate_interval]))"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"


def _series_variable() -> builders.QueryVariable:
    asked = "label_values(pm_strategy_net_diff_shares, series)"
    every = models.VariableOption(text=["All"], value=["$__all"])
    return (
        builders.QueryVariable("series")
        .label("Series")
        .datasource(SOURCE)
        .query({"query": asked, "refId": "series"})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(include_all=True)
        .all_value(".+")
        .multi(multi=True)
        .current(every)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def _annotation(one: Annotation) -> builders.AnnotationQuery:
    query = builders.AnnotationQuery().name(one.name).datasource(SOURCE).enable(enable=True)
    return query.icon_color(one.color).expr(one.expression)
