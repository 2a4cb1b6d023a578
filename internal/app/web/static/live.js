// Shows a part of the page anew when something has happened, the whole page when
// nothing is awaited any more. Without scripts the page is whole, only not live.
"use strict";
const part = () => document.querySelector("[data-ask]");
async function look() {
  const now = part();
  if (!now || document.hidden || now.contains(document.activeElement)) return;
  const last = await fetch(now.dataset.ask, { credentials: "same-origin" });
  if (!last.ok || last.redirected || (await last.text()) === now.dataset.last) return;
  const page = await fetch(location.href, { credentials: "same-origin" });
  if (!page.ok) return;
  const fresh = new DOMParser().parseFromString(await page.text(), "text/html").getElementById(now.id);
  if (page.redirected || !fresh || !fresh.dataset.ask) location.reload();
  else {
    now.replaceWith(fresh);
    document.dispatchEvent(new Event("fresh"));
  }
}
function again() {
  const now = part();
  setTimeout(() => look().catch(() => {}).finally(again), Number((now && now.dataset.every) || 5000));
}
again();
