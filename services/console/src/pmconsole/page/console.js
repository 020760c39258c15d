// The page of the console: reads snapshots from /events and shows them; sends kill and resume.
// It keeps nothing but the newest snapshot, the chosen window and the points of the charts.
"use strict";

const SILENT_MS = 3000; // without a snapshot for so long the page says so
const NOTE_MS = 30000; // how long a failed kill or resume is told
const POINTS = 3600;
const HEADERS = { "X-PM-Console": "1", "Content-Type": "application/json" };
const OVER = ["awaiting_resolution", "settled"];

const by = (id) => document.getElementById(id);
const state = { snapshot: null, at: 0, chosen: "", source: null, points: [], told: "", note: "", noteUntil: 0 };

// --- small helpers ---------------------------------------------------------------------------------------

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function show(id, ...children) {
  by(id).replaceChildren(...children);
}

function write(id, text, kind = "") {
  const found = by(id);
  if (found.textContent !== text) found.textContent = text;
  found.classList.remove("good", "warn", "bad", "soft");
  if (kind) found.classList.add(kind);
}

const has = (value) => typeof value === "number";
const price = (value) => (has(value) ? value.toFixed(3).replace(/0$/, "") : "–");
const shares = (value) => (has(value) ? String(Math.round(value * 100) / 100) : "–");
const words = (text) => String(text ?? "").replaceAll("_", " ");
const twoDigits = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
const dollars = (value) => `$${value.toLocaleString("en-US", twoDigits)}`;
const tone = (value) => (!has(value) || value === 0 ? "" : value > 0 ? "good" : "bad");

function money(value) {
  if (!has(value)) return "–";
  if (Math.abs(value) < 0.005) return "$0.00";
  return `${value < 0 ? "−" : "+"}${dollars(Math.abs(value))}`;
}

function clockText(seconds) {
  return new Date(seconds * 1000).toISOString().slice(11, 19);
}

function countdown(seconds) {
  if (!has(seconds)) return "–";
  if (seconds <= 0) return "closed";
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function pairs(id, rows) {
  show(id, ...rows.flatMap(([name, text, kind]) => [el("dt", { text: name }), el("dd", { text, class: kind || undefined })]));
}

function meter(name, value, limit, text, isOver = null) {
  const share = has(value) && limit > 0 ? value / limit : 0;
  const over = isOver ?? share >= 1;
  const box = el("div", { class: `meter${over ? " over" : share >= 0.8 ? " near" : ""}` });
  const fill = el("div", { class: "fill" });
  fill.style.width = `${Math.min(100, Math.max(0, share * 100))}%`;
  box.append(
    el("div", { class: "name" }, el("span", { text: name }), el("span", { text })),
    el("div", { class: "track", "aria-hidden": "true" }, fill),
  );
  return box;
}

// --- the parts of the page -------------------------------------------------------------------------------

function showHeader(snapshot) {
  write("mode", snapshot.mode ? `mode ${snapshot.mode}` : "mode unknown", snapshot.mode === "live" ? "bad" : "");
  const kinds = { ready: "good", waiting: "warn", unknown: "warn", dead: "bad" };
  const said = { ready: "all services ready", waiting: "a service is not ready", unknown: "starting", dead: "a service is dead" };
  write("health", snapshot.halts.length ? "halted" : said[snapshot.health], snapshot.halts.length ? "bad" : kinds[snapshot.health]);
  write("clock", `${clockText(snapshot.clock_s)} UTC${snapshot.speed === 1 ? "" : `, ${snapshot.speed} times as fast`}`);
  by("resume").disabled = !snapshot.halts.length;
}

function alarms(snapshot) {
  const lines = snapshot.halts.map((halt) => {
    const whose = halt.series ? `Series ${halt.series} is halted` : `Halted (${halt.services.join(", ")})`;
    return `${whose}: ${halt.reason}${halt.since ? `, since ${words(halt.since).replace("T", " ")}` : ""}${halt.by ? `, by ${halt.by}` : ""}`;
  });
  for (const service of snapshot.services) {
    if (service.health === "dead") lines.push(`${service.name} is dead: ${service.problem}`);
  }
  if (state.note && performance.now() < state.noteUntil) lines.unshift(state.note);
  return lines;
}

function showAlarms(lines) {
  const text = lines.join("\n");
  if (text === state.told) return; // a screen reader repeats what is replaced
  state.told = text;
  show("alert", ...lines.map((line) => el("p", { text: line })));
}

function chosenWindow(windows) {
  const open = windows.filter((one) => !OVER.includes(one.state));
  const same = windows.find((one) => one.slug === state.chosen);
  if (same && !OVER.includes(same.state)) return same;
  const next = same && open.find((one) => one.series === same.series);
  return next || open.find((one) => one.state === "quoting") || open[0] || same || windows[0] || null;
}

function touch(side = {}) {
  return `${price(side.bid)} / ${price(side.ask)}${has(side.quote) ? `, ours ${price(side.quote)}` : ""}`;
}

function showOverview(snapshot, chosen) {
  const rows = snapshot.windows.map((one) => {
    const sides = one.outcomes || {};
    const worst = one.profit ?? one.worst_case_profit;
    const row = el("tr");
    row.append(
      el("td", {}, el("button", { type: "button", class: "row", "data-slug": one.slug, "aria-pressed": String(one === chosen), text: one.slug })),
      el("td", { text: words(one.state) }),
      el("td", { text: countdown(one.closes_s - snapshot.clock_s) }),
      el("td", { text: touch(sides.up) }),
      el("td", { text: touch(sides.down) }),
      el("td", { text: shares(one.net_diff) }),
      el("td", { text: money(worst), class: tone(worst) || undefined }),
      el("td", { class: "text", text: OVER.includes(one.state) ? "" : one.why || "both bids rest" }),
    );
    return row;
  });
  const body = by("overview").tBodies[0];
  const focused = document.activeElement?.dataset?.slug;
  body.replaceChildren(...(rows.length ? rows : [el("tr", {}, el("td", { colspan: "8", text: "No window yet." }))]));
  if (focused) body.querySelector(`[data-slug="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

// What rests at a price: in dry mode our bid is not in the venue's book, else its shares are part of the level.
function ownText(side, level, mode) {
  const ours = `our bid, ${shares(side.leaves)} shares, ${words(side.order_state)}`;
  if (!has(level)) return ours; // deeper than what is shown: not known
  const others = level - (mode === "dry" ? 0 : side.leaves || 0);
  return `${ours}, ${shares(Math.max(0, others))} of others here`;
}

function ladder(side, mode) {
  const levels = side.levels || {};
  const rows = ["ask", "bid"].flatMap((kind) => (levels[kind] || []).map(([at, size]) => ({ kind, at, size })));
  if (has(side.quote) && !rows.some((row) => row.kind === "bid" && row.at === side.quote)) {
    rows.push({ kind: "bid", at: side.quote, size: null }); // deeper than what is shown
  }
  rows.sort((a, b) => b.at - a.at || (a.kind === "ask" ? -1 : 1));
  const box = el("div", { class: "ladder" });
  for (const row of rows) {
    const own = row.kind === "bid" && row.at === side.quote;
    const best = row.at === (row.kind === "bid" ? side.bid : side.ask) ? `best ${row.kind}, ` : "";
    box.append(el("div", { class: own ? "own" : row.kind },
      el("span", { text: price(row.at) }), el("span", { text: own ? ownText(side, row.size, mode) : `${best}${shares(row.size)}` })));
  }
  if (!rows.length) box.append(el("div", { class: "none", text: "no book" }));
  return box;
}

function showSide(name, side = {}, mode = "") {
  const age = has(side.book_age_ms) ? `, ${(side.book_age_ms / 1000).toFixed(1)} s old` : "";
  const flow = Math.abs(side.ofi ?? 0);
  const list = el("dl");
  for (const [term, text] of [
    ["held", `${shares(side.qty)} (settled ${shares(side.settled_qty)})`],
    ["average cost", price(side.avg_cost)],
    ["book", `${words(side.book)}${age}`],
    ["why no bid", side.why || "a bid rests"],
  ]) list.append(el("dt", { text: term }), el("dd", { text }));
  show(
    `side-${name}`,
    el("h3", { text: name === "up" ? "Up" : "Down" }),
    ladder(side, mode),
    meter(`order flow, ${words(side.flow)}`, flow, side.threshold, `${shares(side.ofi)} of ${shares(side.threshold)} shares`, side.flow !== "calm"),
    list,
  );
}

function showDetail(snapshot, chosen) {
  write("detail-title", chosen ? chosen.slug : "No window");
  if (!chosen) {
    write("detail-line", "The feed has announced no window yet.");
    show("side-up");
    show("side-down");
    return;
  }
  const left = countdown(chosen.closes_s - snapshot.clock_s);
  const parts = [words(chosen.state), `closes in ${left}`, `branch ${words(chosen.mode)}`];
  if (chosen.hold) parts.push(`hold: ${chosen.hold}`);
  if (chosen.distrust) parts.push(`doubt: ${chosen.distrust}`);
  if (chosen.winner) parts.push(`winner ${chosen.winner}`);
  if (chosen.can_open === false && !OVER.includes(chosen.state)) parts.push("no new risk allowed");
  write("detail-line", parts.join(" · "));
  showSide("up", chosen.outcomes?.up, snapshot.mode);
  showSide("down", chosen.outcomes?.down, snapshot.mode);
}

function showLimits(snapshot, chosen) {
  const limits = { ...snapshot.limits, ...chosen?.limits };
  const bars = [];
  const add = (name, value, limit, format) => {
    if (has(limit) && has(value)) bars.push(meter(name, value, limit, `${format(value)} of ${format(limit)}`));
  };
  if (chosen) {
    add("net difference, shares", Math.abs(chosen.net_diff ?? 0), limits.max_net_diff, shares);
    for (const [name, side] of Object.entries(chosen.outcomes || {})) {
      add(`value of ${name}`, side.capital_in_use ?? 0, limits.max_position_value, dollars);
    }
    add("pair cost", chosen.portfolio_cost, limits.max_portfolio_cost, price);
    add("loss of the window, worst case", Math.max(0, -(chosen.worst_case_profit ?? 0)), limits.max_window_loss, dollars);
  }
  add("loss of the day, worst case", Math.max(0, -(snapshot.day.worst_case_profit_today ?? 0)), limits.max_daily_loss, dollars);
  show("limits", ...(bars.length ? bars : [el("p", { class: "soft", text: "Nothing held that a limit counts." })]));
}

function showVenue(snapshot) {
  const venue = snapshot.venue;
  const open = venue.open_orders;
  const halted = snapshot.halts.some((halt) => !halt.series);
  if (venue.flat) write("flat", "After the kill the venue was asked: nothing of ours rests there.", "good");
  else if (halted) write("flat", venue.checking ? "Halted. The venue is being asked what rests." : `Halted. ${open ?? "An unknown number of"} orders may still rest.`, "bad");
  else write("flat", has(open) ? `${open} orders rest.` : "Not known what rests.");
  const budget = venue.budget || {};
  const rejected = Object.entries(venue.rejections || {}).map(([reason, count]) => `${words(reason)} ${count}`);
  pairs("venue", [
    ["mode", words(venue.mode) || "unknown", venue.mode && venue.mode !== "normal" ? "warn" : ""],
    ["placing", venue.refuses ? `no: ${venue.refuses}` : "yes", venue.refuses ? "warn" : ""],
    ["rate budget", `${shares(budget.orders)} orders, ${shares(budget.cancels)} cancels`],
    ["market data", words(venue.market_socket)],
    ["user channel", words(venue.user_channel)],
    ["cash", has(venue.balance) ? dollars(venue.balance) : "–"],
    ["refused orders", rejected.join(", ") || "none"],
  ]);
}

function showMoney(day) {
  pairs("money", [
    ["profit", money(day.profit_today), tone(day.profit_today)],
    ["not settled yet", money(day.unsettled_today)],
    ["worst case", money(day.worst_case_profit_today), tone(day.worst_case_profit_today)],
    ["windows", `${day.windows_settled_today ?? 0} ended, ${day.winners_unknown_today ?? 0} without a known winner`],
  ]);
  const rows = Object.entries(day.results_today || {}).slice(-8).reverse().map(([slug, result]) => {
    const value = result.profit ?? result.worst_case_profit;
    const row = el("tr");
    row.append(el("td", { text: slug }), el("td", { text: money(value), class: tone(value) || undefined }));
    return row;
  });
  const head = el("thead", {}, el("tr", {}, el("th", { scope: "col", text: "window" }), el("th", { scope: "col", text: "profit" })));
  show("results", ...(rows.length ? [el("table", {}, head, el("tbody", {}, ...rows))] : []));
}

// In dry mode: what the same orders won by each fill model. Only one of the models acts.
function showPaper(paper, chosen) {
  const models = Object.entries(paper?.day || {});
  by("paper-holder").hidden = !models.length;
  const ledgers = paper?.windows?.[chosen?.slug] || {};
  const rows = models.map(([name, day]) => {
    const window = ledgers[name]?.worst_case_profit;
    const row = el("tr", {}, el("th", { scope: "row", text: name === paper.fills ? `${name} (acts)` : name }));
    for (const value of [day.profit_today, day.worst_case_profit_today, window]) {
      row.append(el("td", { text: money(value), class: tone(value) || undefined }));
    }
    return row;
  });
  by("paper").tBodies[0].replaceChildren(...rows);
}

function showServices(services) {
  const kinds = { ready: "good", waiting: "warn", unknown: "soft", dead: "bad" };
  show("services", ...services.map((one) => {
    const said = [
      ...one.troubles.map((each) => `${words(each.what)}: ${each.text}`),
      ...(one.health === "dead" ? [one.problem] : one.reasons),
    ];
    const silent = one.health === "dead" && has(one.silent_s) ? ` for ${one.silent_s.toFixed(0)} s` : "";
    return el("li", { "data-service": one.name, "data-health": one.health },
      el("strong", { text: `${one.name} ` }), el("span", { class: kinds[one.health], text: `${one.health}${silent}` }),
      el("span", { class: "soft", text: said.length ? ` ${said.join("; ")}` : "" }));
  }));
}

function showDecisions(events) {
  const rows = events.slice(0, 40).map((event) => el("li", { "data-event": event.id },
    el("time", { text: clockText(event.at_s) }),
    el("span", { text: `${event.side ? `${event.side} ` : ""}${event.text} ` }), el("span", { class: "soft", text: event.slug })));
  show("decisions", ...(rows.length ? rows : [el("li", { class: "soft", text: "Nothing changed yet." })]));
}

function showFills(fills) {
  const cents = (value) => (has(value) ? `${value > 0 ? "+" : ""}${value.toFixed(1).replace("-", "−")}` : "–");
  const rows = fills.map((fill) => {
    const marks = fill.markout_cents || {};
    return el("tr", { "data-trade": fill.trade_id, class: fill.failed ? "failed" : undefined },
      el("td", {}, el("time", { text: clockText(fill.at_s) })), el("td", { text: fill.slug }), el("td", { text: fill.outcome }),
      el("td", { text: fill.failed ? `${shares(fill.shares)}, failed` : shares(fill.shares) }), el("td", { text: price(fill.price) }),
      ...["1s", "5s", "60s"].map((name) => el("td", { text: cents(marks[name]), class: tone(marks[name]) || undefined })));
  });
  const none = el("tr", {}, el("td", { colspan: "8", class: "soft", text: "No fill yet." }));
  by("fills").tBodies[0].replaceChildren(...(rows.length ? rows : [none]));
}

function showHops(hops) {
  const rows = Object.entries(hops).map(([name, figures]) => el("tr", {},
    el("th", { scope: "row", text: words(name) }), el("td", { text: (figures.p50 ?? 0).toFixed(2) }),
    el("td", { text: (figures.p99 ?? 0).toFixed(2) }), el("td", { text: String(figures.n ?? 0) })));
  by("hops").tBodies[0].replaceChildren(...rows);
}

// --- charts ----------------------------------------------------------------------------------------------

const charts = {};

function drawChart(id, names, columns) {
  const holder = by(id);
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--soft").trim();
  const colours = ["--blue", "--warn", "--good", "--bad"].map((name) => style.getPropertyValue(name).trim());
  const key = `${names.join()}|${ink}`;
  if (!charts[id] || charts[id].key !== key) {
    charts[id]?.plot.destroy();
    const axis = { stroke: ink, grid: { stroke: style.getPropertyValue("--line").trim(), width: 1 } };
    const plot = new uPlot({
      width: holder.clientWidth || 300, height: 200, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      legend: { live: false }, scales: { x: { time: true } }, axes: [axis, { ...axis, size: 56 }],
      series: [{}, ...names.map((label, index) => ({ label, stroke: colours[index % colours.length], width: 2 }))],
    }, columns, holder);
    charts[id] = { key, plot };
  }
  const plot = charts[id].plot;
  if (holder.clientWidth && plot.width !== holder.clientWidth) plot.setSize({ width: holder.clientWidth, height: 200 });
  plot.setData(columns);
}

function addPoint(snapshot) {
  if (!snapshot.windows.length || snapshot.clock_s - (state.points.at(-1)?.t ?? 0) < 1) return;
  const series = {};
  for (const one of snapshot.windows) {
    const up = one.outcomes?.up;
    if (!OVER.includes(one.state) && has(up?.bid) && has(up?.ask)) series[one.series] = { mid: (up.bid + up.ask) / 2 };
  }
  state.points.push({ t: snapshot.clock_s, profit: snapshot.day.profit_today, worst: snapshot.day.worst_case_profit_today, series });
  if (state.points.length > POINTS) state.points.shift();
  showCharts();
}

function showCharts() {
  if (!state.points.length) return;
  const times = state.points.map((point) => point.t);
  const names = [...new Set(state.points.flatMap((point) => Object.keys(point.series)))].slice(0, 4);
  drawChart("mid-chart", names, [times, ...names.map((name) => state.points.map((point) => point.series[name]?.mid ?? null))]);
  drawChart("profit-chart", ["profit", "worst case"], [times, state.points.map((p) => p.profit ?? null), state.points.map((p) => p.worst ?? null)]);
}

// --- snapshots -------------------------------------------------------------------------------------------

function take(snapshot) {
  state.snapshot = snapshot;
  state.at = performance.now();
  write("link", "live", "good");
  const chosen = chosenWindow(snapshot.windows);
  if (chosen) state.chosen = chosen.slug;
  showHeader(snapshot);
  showAlarms(alarms(snapshot));
  showOverview(snapshot, chosen);
  showDetail(snapshot, chosen);
  showLimits(snapshot, chosen);
  showVenue(snapshot);
  showMoney(snapshot.day);
  showPaper(snapshot.paper, chosen);
  showServices(snapshot.services);
  showFills(snapshot.fills);
  showDecisions(snapshot.events);
  showHops(snapshot.hops);
  addPoint(snapshot);
}

function watchSilence() {
  if (!state.source || performance.now() - state.at < SILENT_MS) return;
  write("link", "no data", "bad");
  showAlarms([`The console has not answered for ${Math.round((performance.now() - state.at) / 1000)} s. What stands below is old.`]);
}

function follow() {
  state.source?.close();
  state.at = performance.now();
  const source = new EventSource("/events");
  source.onmessage = (message) => take(JSON.parse(message.data));
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(begin, 1000); // refused: look whether we are signed in
  };
  state.source = source;
}

// --- signing in, kill, resume ----------------------------------------------------------------------------

function signedIn(yes) {
  by("main").hidden = by("actions").hidden = !yes;
  by("sign-in").hidden = yes;
  if (!yes) {
    state.source?.close();
    state.source = null;
    write("link", "signed out");
    showAlarms([]);
  }
}

async function openSession(code, token) {
  const headers = token ? { ...HEADERS, Authorization: `Bearer ${token}` } : HEADERS;
  const answer = await fetch("/session", { method: "POST", headers, body: JSON.stringify({ code }) });
  return answer.ok ? "" : (await answer.json()).detail;
}

async function begin() {
  const code = location.hash.slice(1);
  let problem = "";
  if (code && code !== "main") {
    history.replaceState(null, "", "/"); // the link is used up: it stays in no history
    problem = await openSession(code, "").catch(String);
  }
  const answer = await fetch("/history").catch(() => null);
  if (!answer || answer.status >= 500) {
    write("link", "no data", "bad");
    setTimeout(begin, 2000);
    return;
  }
  if (!answer.ok) {
    signedIn(false);
    write("sign-in-problem", problem);
    return;
  }
  state.points = (await answer.json()).points;
  signedIn(true);
  follow();
}

async function tell(path, body, done) {
  by("kill-now").disabled = by("resume").disabled = true;
  let lines;
  try {
    const answer = await fetch(path, { method: "POST", headers: HEADERS, body: JSON.stringify(body) });
    const said = await answer.json();
    const problems = Object.entries(said.problems || {}).map(([name, problem]) => `${name}: ${problem}`);
    lines = answer.ok ? [] : [`Not ${done} everywhere. ${problems.join("; ") || said.detail}`];
  } catch (error) {
    lines = [`Nobody can say whether the engine was ${done}: ${error}. Use pm ${path.slice(1)}.`];
  }
  by("kill-now").disabled = false;
  state.note = lines.join(" ");
  state.noteUntil = performance.now() + NOTE_MS;
  if (state.snapshot) showAlarms(alarms(state.snapshot));
}

by("kill").addEventListener("click", () => by("kill-dialog").showModal());
by("kill-not").addEventListener("click", () => by("kill-dialog").close());
by("kill-now").addEventListener("click", async () => {
  await tell("/kill", { reason: by("reason").value.trim() || "operator, at the console" }, "halted");
  by("kill-dialog").close();
});
by("resume").addEventListener("click", () => tell("/resume", {}, "resumed"));
by("leave").addEventListener("click", async () => {
  await fetch("/session", { method: "DELETE", headers: HEADERS });
  signedIn(false);
});
by("overview").addEventListener("click", (event) => {
  const slug = event.target.closest("[data-slug]")?.dataset.slug;
  if (!slug) return;
  state.chosen = slug;
  if (state.snapshot) take(state.snapshot);
});
by("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = await openSession("", by("token").value.trim()).catch(String);
  by("token").value = "";
  write("sign-in-problem", problem);
  if (!problem) begin();
});

// A browser opens six connections to a host at most: a hidden page must not hold one that a kill needs.
document.addEventListener("visibilitychange", () => {
  if (by("main").hidden) return;
  if (!document.hidden) begin();
  else {
    state.source?.close();
    state.source = null;
  }
});

setInterval(watchSilence, 500);
begin();
