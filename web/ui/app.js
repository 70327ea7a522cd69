// The page: a stream where there is one, polling where there is none.

import { at, bits, bytes, cell, end, exact, figure, integer, moment, percent, rows } from "/text.js";

const POLL_MS = 2000;
const RETRY_MS = 30_000;
const SILENCE_MS = 4000;
const HISTORY = 120;

const wanted = { interface: "", filter: "", sort: "rate", order: "desc", limit: "100" };
let source = null; // the stream
let poll = 0; // the timer of polling
let told = performance.now(); // when something was told last
let turn = 0; // answers to what is not wanted any more are passed over
let last = null; // what was shown last
let quicAsked = -Infinity; // when QUIC was asked for last
let history = [];

const text = (id, value) => (at(id).textContent = value);

function state(name) {
  if (at("state").dataset.state === name) return;
  at("state").dataset.state = name;
  text("state", name);
}

function showTotals({ realtime, summary }) {
  text("bandwidth", bits(realtime.bandwidth_bps));
  text("packet-rate", `${integer.format(realtime.packets_per_sec)} /s`);
  text("peak", bits(summary.peak_bandwidth_bps));
  text("total-bytes", bytes(summary.total_bytes));
  text("total-packets", integer.format(summary.total_packets));
  for (const kind of ["tcp", "http", "https"]) {
    at(kind).value = summary[`${kind}_percentage`];
    text(`${kind}-text`, percent(summary[`${kind}_percentage`]));
  }
  history = [...history, realtime.bandwidth_bps].slice(-HISTORY);
  const top = Math.max(...history, 1);
  const points = history.map((rate, i) => `${HISTORY - history.length + i + 1},${(29 - (27 * rate) / top).toFixed(2)}`);
  const line = `M${points.join("L")}`;
  at("history").querySelector(".line").setAttribute("d", line);
  at("history").querySelector(".area").setAttribute("d", `${line}V30H${HISTORY - history.length + 1}Z`);
}

function showAccounting(balance) {
  text("seen", integer.format(balance.seen.packets));
  text("counted", integer.format(balance.counted.packets));
  text("filtered", integer.format(balance.filtered.packets));
  text("sampled", integer.format(balance.sampled.packets));
  text("lost", integer.format(balance.lost.packets));
  at("lost").className = balance.lost.packets > 0 ? "bad" : "";
  at("sampling").hidden = balance.sampling === 1;
  text("sampling", `Sampled 1:${integer.format(balance.sampling)}, scaled: one frame in ${integer.format(balance.sampling)}`
    + " is counted, and the figures of flows are multiplied by it. Those of interfaces are exact.");
  const strays = Object.values(balance.strays).reduce((sum, { packets }) => sum + packets, 0);
  const open = Math.abs(balance.kernel_difference.packets) + Math.abs(balance.table_difference.packets);
  at("balance").className = balance.balanced && !strays ? "good" : "warn";
  const { dropped, spared } = balance;
  at("dropped").hidden = dropped.packets + spared.packets === 0;
  text("dropped", `· ${integer.format(dropped.packets)} of them dropped by rules`
    + (spared.packets ? `, ${integer.format(spared.packets)} spared where nothing can be dropped` : ""));
  text("balance", strays ? `and ${integer.format(strays)} charged to no interface`
    : balance.balanced ? "✓ balanced" : `${integer.format(open)} being counted now`);
}

function showInterfaces(interfaces) {
  const names = ["", ...new Set(interfaces.map(({ name }) => name))];
  if (!names.includes(wanted.interface)) names.push(wanted.interface);
  const select = at("interface");
  if ([...select.options].map(({ value }) => value).join("\n") !== names.join("\n")) {
    select.replaceChildren(...names.map((name) => new Option(name || "all", name)));
  }
  select.value = wanted.interface;
  const lines = interfaces.filter(({ name }) => !wanted.interface || name === wanted.interface);
  rows("interfaces", lines.map(({ name, netns_name, present, hook, ingress, egress }) => {
    const sum = (part) => [ingress, egress].reduce((all, direction) => all + part(direction), 0);
    const lost = sum(({ lost }) => Object.values(lost).reduce((all, { packets }) => all + packets, 0));
    const reasons = [ingress, egress].flatMap(({ lost }) => Object.entries(lost)).filter(([, { packets }]) => packets);
    return [
      cell(name + (netns_name ? ` (${netns_name})` : "") + (present ? "" : " (gone)")),
      cell(hook, { label: "hook" }),
      cell(bits(ingress.rate.bandwidth_bps), { label: "in", number: true }),
      cell(bits(egress.rate.bandwidth_bps), { label: "out", number: true }),
      cell(integer.format(sum(({ seen }) => seen.packets)), { label: "packets", number: true }),
      cell(integer.format(lost), { label: "lost", number: true, kind: lost ? "bad" : "idle",
        title: reasons.map(([reason, { packets }]) => `${reason}: ${packets}`).join(", ") }),
    ];
  }));
}

/** Shows the flows of a label, or those without one if it is null. */
function chooseLabel(label) {
  at("filter").value = `label ${label ?? '""'}`;
  at("query").requestSubmit();
}

function labelCell(label) {
  const td = cell("");
  const button = document.createElement("button");
  button.textContent = label ?? "unlabelled";
  button.addEventListener("click", () => chooseLabel(label));
  td.append(button);
  return td;
}

function showLabels(labels) {
  at("labels-section").hidden = labels.length === 0;
  at("flows-label").hidden = labels.length === 0;
  text("labels-shown", "on all interfaces, since the start");
  const focused = at("labels").contains(document.activeElement) ? document.activeElement.textContent : null;
  rows("labels", labels.map(({ label, rules, flows, packets, bytes: volume, bandwidth_bps, dropped, spared }) => [
    labelCell(label),
    cell(rules.join(", ") || "–", { label: "rules", kind: rules.length ? "" : "idle",
      title: label !== null && !rules.length ? "no rule gives it any more" : "" }),
    cell(integer.format(flows), { label: "flows", number: true }),
    cell(integer.format(packets), { label: "packets", number: true }),
    cell(bytes(volume), { label: "bytes", number: true, title: `${integer.format(volume)} bytes` }),
    cell(bits(bandwidth_bps), { label: "rate", number: true, kind: bandwidth_bps ? "" : "idle" }),
    cell(integer.format(dropped.packets), { label: "dropped", number: true, kind: dropped.packets ? "warn" : "idle",
      title: spared.packets ? `${integer.format(spared.packets)} more spared, where nothing can be dropped` : "" }),
  ]));
  // Whoever is at a button stays there.
  if (focused !== null) [...at("labels").querySelectorAll("button")].find((one) => one.textContent === focused)?.focus();
}

// What a rule has decided about a flow.
function ruling({ rule, action }) {
  return rule === null ? "" : `rule ${rule}: ${action}`;
}

// Nothing where the flow is no part of a QUIC connection.
function quic({ quic }) {
  if (!quic) return [];
  const { certainty, version, server_name, backend_hex, queue_hex, undecoded } = quic;
  return [["QUIC", version, `(${certainty})`].filter(Boolean).join(" "), server_name, undecoded && `backend: ${undecoded}`,
    backend_hex && `backend ${exact(backend_hex)}`, queue_hex && `queue ${exact(queue_hex)}`];
}

function detail(flow) {
  const parts = [
    ...quic(flow),
    flow.tcp_flags && `flags ${flow.tcp_flags}`,
    flow.icmp_type !== null && `type ${flow.icmp_type} code ${flow.icmp_code}`,
    flow.vlans.length && `VLAN ${flow.vlans.join(", ")}`,
    flow.dscp && `DSCP ${flow.dscp}`,
    (flow.first_fragment || flow.later_fragment) && "fragments",
  ];
  return parts.filter(Boolean).join(" · ");
}

function showFlows({ flows, labels, accounting, summary }) {
  text("shown", flows.length ? `${integer.format(flows.length)} of ${integer.format(accounting.flows)} live` : "");
  rows("flows", flows.map((flow) => [
    cell(flow.protocol + (flow.quic ? ` · QUIC${flow.quic.certainty === "guessed" ? "?" : ""}` : ""),
      { title: detail(flow) }),
    cell(end(flow.source_address, flow.source_port), { title: flow.source_mac ?? "" }),
    cell(end(flow.destination_address, flow.destination_port), { label: "→", title: flow.destination_mac ?? "" }),
    cell(`${flow.interface} ${flow.direction === "ingress" ? "in" : "out"}`),
    ...(labels.length ? [cell(flow.label ?? "–", { label: "label", title: ruling(flow),
      kind: flow.action === "drop" ? "warn" : flow.label === null ? "idle" : "" })] : []),
    cell(integer.format(flow.packets), { label: "packets", number: true }),
    cell(bytes(flow.bytes), { label: "bytes", number: true, title: `${integer.format(flow.bytes)} bytes` }),
    cell(bits(flow.bandwidth_bps), { label: "rate", number: true, kind: flow.bandwidth_bps ? "" : "idle" }),
    cell(moment(flow.last_seen), { label: "last", number: true, title: flow.last_seen }),
  ]));
  const place = wanted.interface || "any interface";
  at("empty").hidden = flows.length > 0;
  text("empty", wanted.filter ? "No live flow matches the filter. Empty it to see all of them."
    : summary.total_packets === 0 ? `No packets yet on ${place}. Send some, for example with ping, or choose another interface above.`
    : `No live flow on ${place}: all have been silent for longer than the idle time-out.`);
}

// The shorter one by the spin bit where it is credible, else that of the handshake.
function roundTrip({ client_spin, server_spin, handshake }) {
  const spins = [client_spin, server_spin].map(({ rtt_seconds }) => rtt_seconds).filter((time) => time !== null);
  const spin = spins.length > 0;
  const seconds = spin ? Math.min(...spins) : handshake.rtt_seconds;
  if (seconds === null) return ["–", ""];
  return [`${figure(seconds * 1000)} ms`, spin ? "by the spin bit" : "of the handshake"];
}

function showQuic({ enabled, connections, versions }) {
  at("quic-section").hidden = !enabled;
  // Guesses that are not shown are in no share.
  const live = versions.reduce((sum, share) => sum + share.connections, 0);
  text("quic-shown", connections.length ? `${integer.format(connections.length)} of ${integer.format(live)} live` : "");
  at("quic-empty").hidden = connections.length > 0;
  rows("quic", connections.map((one) => {
    const [trip, source] = roundTrip(one);
    const ids = (name) => one[`${name}_cids`].map(({ cid }) => cid || "(empty)").join(", ");
    return [
      cell(end(one.client_address, one.client_port), { title: `connection IDs: ${ids("client")}` }),
      cell(end(one.server_address, one.server_port), { label: "→", title: `connection IDs: ${ids("server")}` }),
      cell(one.version ?? "–", { title: one.ja4 ? `JA4 ${one.ja4}` : "" }),
      cell([one.server_name ?? "–", one.alpn.length && `(${one.alpn.join(", ")})`].filter(Boolean).join(" ")),
      cell(exact(one.backend_hex) ?? one.undecoded ?? "–", { label: "backend", kind: one.backend_hex === null ? "idle" : "", title: one.layout ?? "" }),
      cell(exact(one.queue_hex) ?? "–", { label: "queue" }),
      cell(trip, { label: "round trip", number: true, title: source }),
      cell(integer.format(one.packets), { label: "packets", number: true }),
      cell(bytes(one.bytes), { label: "bytes", number: true, title: `${integer.format(one.bytes)} bytes` }),
      cell(bits(one.bandwidth_bps), { label: "rate", number: true, kind: one.bandwidth_bps ? "" : "idle" }),
      cell(one.certainty, { kind: one.certainty === "guessed" ? "warn" : "" }),
    ];
  }));
}

/** Asks for QUIC connections, unless that was done a moment ago. */
async function askQuic() {
  if (performance.now() - quicAsked < POLL_MS) return;
  quicAsked = performance.now();
  const mine = turn;
  try {
    const answer = await get(`/api/quic?${query()}`);
    if (mine === turn) showQuic(answer);
  } catch {
    // What is wrong is told where flows are asked for.
  }
}

function show(tick) {
  told = performance.now();
  last = tick;
  if (document.hidden) return;
  showTotals(tick);
  showAccounting(tick.accounting);
  showInterfaces(tick.interfaces);
  showLabels(tick.labels);
  showFlows(tick);
  askQuic();
}

function showSorting() {
  for (const button of document.querySelectorAll("[data-sort]")) {
    const heading = button.closest("th");
    if (button.dataset.sort !== wanted.sort) heading.removeAttribute("aria-sort");
    else heading.setAttribute("aria-sort", wanted.order === "asc" ? "ascending" : "descending");
  }
}

function showProblem(problem) {
  at("filter").setAttribute("aria-invalid", String(problem?.parameter === "filter"));
  text("problem", problem ? [problem.detail, problem.hint].filter(Boolean).join("\n") : "");
}

const query = () => new URLSearchParams(Object.entries(wanted).filter(([, value]) => value));

async function get(path) {
  const response = await fetch(path);
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.detail), { problem: answer });
  return answer;
}

/** Asks for everything once; whether what is wanted can be had. */
async function ask() {
  const mine = turn;
  const on = wanted.interface ? `?${new URLSearchParams({ interface: wanted.interface })}` : "";
  try {
    const { flows } = await get(`/api/flows?${query()}`);
    const [realtime, summary, accounting, { interfaces }, told] = await Promise.all([
      get(`/api/metrics/realtime${on}`), get(`/api/stats/summary${on}`), get("/api/accounting"), get("/api/interfaces"),
      get("/api/labels")]);
    if (mine !== turn) return false;
    showProblem(null);
    const labels = told.labels.some(({ label }) => label !== null) ? told.labels : [];
    show({ realtime, summary, accounting, flows, labels, interfaces: interfaces.filter(({ present }) => present) });
  } catch ({ problem }) {
    if (mine !== turn) return false;
    if (!problem) {
      state("reconnecting");
      return true;
    }
    if (problem.parameter === "interface") {
      // It was in a bookmark, or the program has begun anew without it.
      wanted.interface = "";
      restart();
    } else {
      showProblem(problem);
      if (!last) state("paused");
    }
    return false;
  }
  return true;
}

function stopPolling() {
  clearInterval(poll);
  poll = 0;
}

function startPolling() {
  stopPolling();
  state("polling");
  poll = setInterval(ask, POLL_MS);
  setTimeout(listen, RETRY_MS, turn);
}

/** Opens the stream, unless something else is wanted by now. */
function listen(mine) {
  if (mine !== turn) return;
  source?.close();
  stopPolling();
  source = new EventSource(`/api/stream?${query()}`);
  source.addEventListener("tick", ({ data }) => {
    state("live");
    show(JSON.parse(data));
  });
  source.addEventListener("error", ({ target }) => {
    if (target !== source) return;
    if (target.readyState !== EventSource.CLOSED) return state("reconnecting");
    startPolling();
  });
}

/** Shows what is wanted from now on; if it cannot be had, what was wanted before stays. */
async function restart() {
  turn += 1;
  quicAsked = -Infinity;
  const mine = turn;
  globalThis.history.replaceState(null, "", `#${query()}`);
  showSorting();
  if (await ask()) listen(mine);
}

/** After some silence: does the meter tick, does the server answer? */
async function check() {
  if (performance.now() - told < SILENCE_MS && !poll) return;
  try {
    const { status } = await fetch("/health");
    if (status === 503) state("stale");
    else if (poll) state("polling");
    else if (source?.readyState === EventSource.OPEN) state("live");
  } catch {
    state("reconnecting");
  }
}

for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
  if (name in wanted) wanted[name] = value;
}
at("filter").value = wanted.filter;
at("limit").value = wanted.limit;

at("interface").addEventListener("change", ({ target }) => {
  wanted.interface = target.value;
  history = [];
  restart();
});
at("limit").addEventListener("change", ({ target }) => {
  wanted.limit = target.value;
  restart();
});
at("query").addEventListener("submit", (event) => {
  event.preventDefault();
  wanted.filter = at("filter").value.trim();
  restart();
});
at("filter").addEventListener("search", ({ target }) => target.value || at("query").requestSubmit());
for (const button of document.querySelectorAll("[data-sort]")) {
  button.addEventListener("click", () => {
    const { sort } = button.dataset;
    const words = ["protocol", "source", "destination", "label"];
    const first = words.includes(sort) ? "asc" : "desc";
    wanted.order = wanted.sort !== sort ? first : wanted.order === "asc" ? "desc" : "asc";
    wanted.sort = sort;
    restart();
  });
}
document.addEventListener("visibilitychange", () => last && show(last));
setInterval(check, SILENCE_MS);
restart();
