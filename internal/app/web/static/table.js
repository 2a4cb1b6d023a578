// Long tables get a field that filters them, and headings that sort them. Without
// scripts the tables stand in the order that the page gave them.
"use strict";
const words = document.currentScript.dataset;
// There the rows are cards, and the headings are for screen readers alone: a choice
// before the table sorts it instead.
const phone = matchMedia("(max-width: 37.5rem)");
const value = (cell) => {
  const text = cell.textContent.trim();
  const day = text.match(/^(\d{1,2})\.(\d{1,2})\.(\d{4})(?: \D*(\d{1,2})\.(\d{2}))?/);
  if (day) return new Date(+day[3], day[2] - 1, +day[1], +(day[4] || 0), +(day[5] || 0)).getTime();
  const bare = text.replace(/[\u202f\u00a0,\s]/g, "");
  if (/^[\u2212-]?\d+$/.test(bare)) return Number(bare.replace("\u2212", "-"));
  const long = /^\d{1,2} [A-Z][a-z]+ \d{4}/.test(text) ? Date.parse(text.replace(" at ", " ")) : NaN;
  return Number.isNaN(long) ? text : long;
};
function order(table, column, down) {
  const rows = [...table.tBodies[0].rows].map((row) => [value(row.cells[column]), row]);
  const less = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), document.documentElement.lang, { numeric: true }));
  rows.sort((a, b) => (down ? less(b[0], a[0]) : less(a[0], b[0])));
  table.tBodies[0].append(...rows.map((r) => r[1]));
}
function by(table, head, column, down) {
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  order(table, column, down);
}
function sortable(table, n) {
  const choice = document.createElement("select");
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (!head.textContent.trim() || head.querySelector(".ds-sr-only")) return;
    choice.add(new Option(head.textContent.trim(), column));
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.disabled = phone.matches;
    phone.addEventListener("change", () => { button.disabled = phone.matches; });
    button.addEventListener("click", () => by(table, head, column, head.getAttribute("aria-sort") === "ascending"));
  });
  if (choice.length < 2) return;
  const box = field(table, choice, "jarjestys-" + n, words.sort);
  box.classList.add("phone");
  choice.prepend(new Option("\u2013", ""));
  choice.value = "";
  choice.addEventListener("change", () => { if (choice.value) by(table, table.tHead.rows[0].cells[choice.value], Number(choice.value), false); });
}
// A labelled field before a table.
function field(table, input, id, text) {
  const box = document.createElement("div");
  const label = document.createElement("label");
  box.className = "sieve ds-field";
  label.className = "ds-label";
  label.textContent = text;
  label.htmlFor = input.id = id;
  input.className = "ds-input";
  box.append(label, input);
  table.before(box);
  return box;
}
function filterable(table, n) {
  const input = document.createElement("input");
  const said = document.createElement("p");
  input.type = "search";
  said.setAttribute("role", "status");
  said.className = "muted";
  input.addEventListener("input", () => {
    const want = input.value.trim().toLocaleLowerCase();
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !row.textContent.toLocaleLowerCase().includes(want);
      if (!row.hidden) shown++;
    }
    said.textContent = want ? words.shown.replace("%", `${shown}/${table.tBodies[0].rows.length}`) : "";
  });
  field(table, input, "suodatin-" + n, words.filter).append(said);
}
function dress() {
  document.querySelectorAll("table.rows:not([data-dressed])").forEach((table, n) => {
    table.dataset.dressed = "";
    const rows = table.tBodies[0] ? table.tBodies[0].rows.length : 0;
    if (!table.tHead || rows < 6 || table.matches(".matrix, .diff")) return;
    sortable(table, n);
    if (rows >= 12) filterable(table, n);
  });
}
dress();
document.addEventListener("fresh", dress);
