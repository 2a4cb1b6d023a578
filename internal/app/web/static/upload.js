// Sends a package in parts, so that a lost connection or a reload goes on where it
// was. Without scripts the form sends it at once.
"use strict";
const form = document.querySelector("form[data-upload]");
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
async function ask(path, body, type) {
  const headers = { "X-Csrf-Token": form.elements.csrf.value, Accept: "application/json" };
  if (type) headers["Content-Type"] = type;
  const r = await fetch(path, { method: body === undefined ? "GET" : "POST", body, headers, credentials: "same-origin", redirect: "manual" });
  if (r.type === "opaqueredirect") throw Object.assign(new Error(form.dataset.ended), { status: 401 });
  if (r.ok) return r.json();
  const why = new DOMParser().parseFromString(await r.text(), "text/html").querySelector("main h1");
  throw Object.assign(new Error(why ? why.textContent : r.status), { status: r.status });
}
// Refusals that another try does not change.
const final = (e) => e.status >= 400 && e.status < 500 && e.status !== 409 && e.status !== 429;
async function send(file, tell) {
  const base = form.dataset.upload;
  const fields = new URLSearchParams({ name: file.name, size: file.size, mark: String(file.lastModified) });
  for (const box of form.querySelectorAll("input[type=checkbox]:checked, select")) fields.set(box.name, box.value);
  let up = await ask(base, fields.toString(), "application/x-www-form-urlencoded");
  for (let tries = 0; up.state === "receiving"; ) {
    tell(up);
    const from = up.parts * up.part;
    try {
      up = await ask(`${base}/${up.id}/${up.parts}`, file.slice(from, Math.min(from + up.part, file.size)), "application/octet-stream");
      tries = 0;
    } catch (e) {
      if (final(e) || ++tries > 30) throw e;
      await sleep(Math.min(500 * 2 ** tries, 15000));
      up = await ask(`${base}/${up.id}`).catch(() => up);
    }
  }
  tell(up);
  return up;
}
if (form) {
  const bar = form.querySelector("progress");
  const text = form.querySelector("[data-text]");
  const wrong = form.querySelector("[data-wrong]");
  form.addEventListener("submit", async (event) => {
    const file = form.elements.file.files[0];
    if (!file) return;
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    wrong.hidden = true;
    bar.hidden = text.hidden = false;
    const tell = (up) => {
      const share = Math.floor((100 * Math.min(up.parts * up.part, file.size)) / file.size);
      bar.value = share;
      text.textContent = text.dataset.text.replace("%", String(share));
    };
    try {
      const up = await send(file, tell);
      location.href = up.next;
    } catch (e) {
      wrong.textContent = e.status ? e.message : wrong.dataset.wrong;
      wrong.hidden = false;
      bar.hidden = text.hidden = true;
      button.disabled = false;
      button.focus();
    }
  });
}
