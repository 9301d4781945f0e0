"use strict";

const POLL_MILLISECONDS = 2000;
const CHIPS_SHOWN = 12;
const KINDS = [
  "Amplitude events", "Amplitude identifications", "Split events", "Split segment keys", "Amplitude export rows",
];
const CHART = { height: 220, left: 56, bottom: 26, top: 12 };
const NARROW_PIXELS = 520;

const $ = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");
const series = (kind) => `var(--series-${KINDS.indexOf(kind) + 1})`;
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
const moment = (seconds) => {
  const date = new Date(seconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  return today ? clock(seconds) : `${date.toLocaleDateString()} ${clock(seconds)}`;
};

/** An element with attributes and children; texts become text, never markup. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const shown = new Map();

/** Call `draw` only when its data changed, so that nothing jumps under the reader's eyes. */
function update(id, data, draw) {
  const text = JSON.stringify(data);
  if (shown.get(id) === text) return;
  shown.set(id, text);
  $(id).replaceChildren(...draw(data));
}

/**
 * A table's caption, head and body; a column is [title, cell of a row, class]; the first one names the row.
 * On a phone rows become blocks, which takes a table's meaning from its elements: the roles give it back.
 */
function table(columns, rows, nothing, caption) {
  if (rows.length === 0) return [element("caption", {}, nothing)];
  const head = columns.map(([title, , kind = ""]) => element("th", { scope: "col", role: "columnheader", class: kind }, title));
  const body = rows.map((row) =>
    element("tr", { role: "row" }, ...columns.map(([title, cell, kind = ""], index) =>
      element(index ? "td" : "th",
        index ? { role: "cell", class: kind, "data-title": title } : { scope: "row", role: "rowheader", class: kind },
        cell(row)))));
  return [
    ...(caption ? [element("caption", {}, caption)] : []),
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...head)),
    element("tbody", { role: "rowgroup" }, ...body),
  ];
}

function chips(entries) {
  const all = entries.slice(0, CHIPS_SHOWN).map((entry) => element("span", {}, ...entry));
  if (entries.length > CHIPS_SHOWN) all.push(element("span", { class: "quiet" }, `and ${entries.length - CHIPS_SHOWN} more`));
  return all.length ? element("div", { class: "chips" }, ...all) : element("span", { class: "quiet" }, "none");
}

function properties(given) {
  return chips(Object.entries(given).map(([name, value]) =>
    [element("b", {}, name), ` ${typeof value === "string" ? value : JSON.stringify(value)}`]));
}

function totals(rows) {
  const counts = new Map(rows.map(([kind, count]) => [kind, count]));
  return KINDS.filter((kind, index) => index < 4 || counts.has(kind)).map((kind) =>
    element("li", { style: `--series: ${series(kind)}` },
      element("strong", {}, number(counts.get(kind) ?? 0)), element("span", {}, kind)));
}

/** A round number at or above the largest column. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((rounded) => rounded >= value) ?? 1;
}

function chart({ start, step, columns }) {
  const width = Math.max($("chart").clientWidth, 240);
  const kinds = KINDS.filter((kind) => columns[kind]);
  const count = kinds.length ? columns[kinds[0]].length : 60;
  const sums = Array.from({ length: count }, (_, i) => kinds.reduce((sum, kind) => sum + columns[kind][i], 0));
  const top = ceiling(Math.max(...sums));
  const inner = { width: width - CHART.left, height: CHART.height - CHART.bottom - CHART.top };
  const across = (index) => CHART.left + (index * inner.width) / count;
  const up = (value) => CHART.top + inner.height * (1 - value / top);
  const total = sums.reduce((sum, value) => sum + value, 0);
  const svg = drawn("svg", {
    viewBox: `0 0 ${width} ${CHART.height}`, role: "img",
    "aria-label": `${number(total)} items arrived between ${moment(start)} and ${moment(start + step * count)}`,
  });
  for (const value of [0, top / 2, top]) {
    svg.append(
      drawn("line", { x1: CHART.left, x2: width, y1: up(value), y2: up(value), class: "grid" }),
      drawn("text", { x: CHART.left - 8, y: up(value) + 4, "text-anchor": "end" }, number(value)));
  }
  for (const share of width < NARROW_PIXELS ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]) {
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
    svg.append(drawn("text", {
      x: CHART.left + inner.width * share, y: CHART.height - 6, "text-anchor": anchor,
    }, moment(start + step * count * share)));
  }
  sums.forEach((sum, index) => {
    if (sum === 0) return;
    const lines = kinds.filter((kind) => columns[kind][index]).map((kind) => `${kind}: ${number(columns[kind][index])}`);
    const column = drawn("g", {}, drawn("title", {}, [moment(start + step * index), ...lines].join("\n")));
    let height = 0;
    for (const kind of kinds) {
      const value = columns[kind][index];
      if (value === 0) continue;
      const thickness = Math.max(up(height) - up(height + value), 1.5);
      column.append(drawn("rect", {
        x: across(index) + 1, width: inner.width / count - 2, y: up(height) - thickness, height: thickness,
        rx: 1.5, style: `fill: ${series(kind)}`,
      }));
      height += value;
    }
    column.append(drawn("rect", {
      x: across(index), width: inner.width / count, y: CHART.top, height: inner.height, class: "hover",
    }));
    svg.append(column);
  });
  const legend = kinds.map((kind) => element("li", {}, element("i", { style: `--series: ${series(kind)}` }), kind));
  return [svg, kinds.length
    ? element("ul", { class: "legend" }, ...legend)
    : element("p", { class: "quiet" }, "Nothing arrived in this span.")];
}

function chartTable({ start, step, columns }) {
  const kinds = KINDS.filter((kind) => columns[kind]);
  const rows = kinds.length ? columns[kinds[0]].map((_, index) => index) : [];
  return table(
    [["From", (index) => moment(start + step * index), "when"],
      ...kinds.map((kind) => [kind, (index) => number(columns[kind][index]), "number"])],
    rows.filter((index) => kinds.some((kind) => columns[kind][index])).reverse(),
    "Nothing arrived in this span.");
}

function arrived(kind, title, nothing) {
  return (rows) => table(
    [[title, ([, name]) => name], ["Number", ([, , items]) => number(items), "number"],
      ["Last", ([, , , last]) => moment(last), "when"]],
    rows.filter(([where]) => where === kind), nothing);
}

function users({ total, shown: rows }) {
  return table(
    [["User", ([userId]) => userId ?? element("span", { class: "quiet" }, "anonymous")],
      ["Device", ([, deviceId]) => deviceId ?? element("span", { class: "quiet" }, "–")],
      ["Flags and properties", ([, , given]) => properties(given)]],
    rows, "No user yet.", `${number(total)} ${total === 1 ? "user" : "users"}${total > rows.length ? `, the first ${rows.length} shown` : ""}`);
}

function segments(rows) {
  return table(
    [["Segment", ({ name }) => name],
      ["Environment", ({ environment_name: name }) => name ?? element("span", { class: "quiet" }, "not active")],
      ["Traffic type", (row) => row.traffic_type],
      ["Members", ({ count }) => number(count), "number"],
      ["Some of them", ({ keys }) => chips(keys.map((key) => [key]))]],
    rows, "No segment yet.");
}

function routes({ total, shown: rows }) {
  return table(
    [["Route", ({ route }) => route],
      ["Time (UTC)", ({ time }) => time.slice(11, 23), "when"],
      ["Destination", ({ target }) => element("code", {}, target)],
      ["Items", ({ items }) => number(items), "number"],
      ["Delivered", ({ delivered }) => (delivered ? "yes" : element("span", { class: "bad" }, "not completely"))]],
    [...rows].reverse(), "Nothing yet. Start a route with POST /_sandbox/amplitude/push-cohort.",
    total > rows.length ? `${number(total)} since the start, the newest ${rows.length} shown` : "");
}

function faultDetail(fault) {
  const details = {
    status: `answers ${fault.status}`, echo: `answers ${fault.status} with the credentials`,
    delay: `waits ${fault.delay_seconds} s`, lost: "processes, then hangs up", raw: "writes raw bytes",
    trickle: `${fault.chunk_bytes} bytes every ${fault.delay_seconds} s`,
    strip_encoding: "drops Content-Encoding", clock: `clock off by ${number(fault.offset_seconds)} s`,
  };
  const cut = fault.after_bytes === null ? "hangs up at once" : `hangs up after ${fault.after_bytes} bytes`;
  return [fault.preset, details[fault.kind] ?? cut].filter(Boolean).join(": ");
}

function whenFires(fault) {
  return [
    fault.times === null ? "always" : `${fault.times}×`,
    fault.skip && `after ${fault.skip}`,
    fault.every && `every ${fault.every} requests`,
    fault.probability !== null && `chance ${fault.probability}`,
    fault.when && `if it contains “${fault.when}”`,
    fault.compressed !== null && (fault.compressed ? "if compressed" : "if not compressed"),
  ].filter(Boolean).join(", ");
}

function faults(rows) {
  return table(
    [["Path", ({ path, method }) => element("code", {}, method ? `${method} ${path}` : path)],
      ["What happens", faultDetail, "nowrap"],
      ["When", whenFires],
      ["Fired", ({ hits }) => number(hits), "number"]],
    rows, "None. Plan one with POST /_sandbox/faults.");
}

function requests({ total, shown: rows }) {
  return table(
    [["Request", ({ method, path }) => element("code", {}, `${method} ${path}`)],
      ["Time (UTC)", ({ time }) => time.slice(11, 23), "when"],
      ["Status", ({ status }) => element("span", status === null || status >= 400 ? { class: "bad" } : {}, String(status ?? "no answer"))],
      ["Items", ({ items }) => number(items), "number"],
      ["Bytes", ({ bytes }) => number(bytes), "number"],
      ["Seconds", ({ seconds }) => (seconds === null ? "…" : seconds.toFixed(3)), "number"],
      ["Fault", ({ fault }) => fault ?? ""]],
    [...rows].reverse(), "No request yet.", `${number(total)} since the start`);
}

function status(kind, text) {
  $("status").className = kind;
  if ($("status-text").textContent !== text) $("status-text").textContent = text;
}

async function refresh() {
  try {
    const answer = await fetch(`/_sandbox/overview?seconds=${$("span").value}`);
    const data = await answer.json();
    update("totals", data.totals, totals);
    update("chart", data.chart, chart);
    update("chart-table", data.chart, chartTable);
    update("amplitude-events", data.arrived, arrived("Amplitude events", "Event type", "No event yet."));
    update("split-events", data.arrived, arrived("Split events", "Event type", "No event yet."));
    update("users", data.users, users);
    update("segments", data.segments, segments);
    update("routes", data.routes, routes);
    update("faults", data.faults, faults);
    update("requests", data.requests, requests);
    status("live", "live");
  } catch {
    status("lost", "the sandbox does not answer");
  }
}

async function poll() {
  if (!document.hidden) await refresh();
  setTimeout(poll, POLL_MILLISECONDS);
}

$("span").addEventListener("change", refresh);
addEventListener("resize", () => shown.delete("chart"));
document.addEventListener("visibilitychange", () => document.hidden || refresh());
poll();
