// How figures, times and rows of tables look. Every text, names of interfaces included, goes in
// through textContent.

export const at = (id) => document.getElementById(id);

export const integer = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
// Three digits.
export const figure = (value) => value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);

function scaled(value, step, units) {
  let unit = 0;
  // What would be rounded up to a whole step is shown in the next unit.
  while (Math.abs(value) >= step - 0.5 && unit < units.length - 1) {
    value /= step;
    unit += 1;
  }
  return `${unit === 0 ? integer.format(value) : figure(value)} ${units[unit]}`;
}

export const bytes = (value) => scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]);
export const bits = (value) => scaled(value, 1000, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]);
export const percent = (value) => `${value.toFixed(1)} %`;
export const end = (address, port) =>
  port === null ? address : address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

export function moment(text) {
  const time = new Date(text);
  const today = time.toDateString() === new Date().toDateString();
  return today ? time.toLocaleTimeString("en-GB") : time.toLocaleString("en-GB");
}

export function cell(text, { label, number, title, kind } = {}) {
  const td = document.createElement("td");
  td.setAttribute("role", "cell");
  td.textContent = text;
  if (label) td.dataset.label = label;
  if (number) td.classList.add("number");
  if (kind) td.classList.add(kind);
  if (title) td.title = title;
  return td;
}

export function rows(table, lines) {
  const body = at(table).tBodies[0];
  const selection = getSelection();
  // Whoever is about to copy something is not to lose it.
  if (!selection.isCollapsed && body.contains(selection.anchorNode)) return;
  body.replaceChildren(
    ...lines.map((cells) => {
      const tr = document.createElement("tr");
      tr.setAttribute("role", "row");
      tr.append(...cells);
      return tr;
    }),
  );
}

// A number as it is: those of JSON have 53 bits here, and backends may have 64.
export const exact = (hex) => hex && BigInt(hex).toString();
