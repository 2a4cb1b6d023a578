// Shows the board anew when something has happened. Without scripts the page is
// whole, only not live.
"use strict";
const board = () => document.getElementById("taulu");
async function look() {
  const now = board();
  if (!now || document.hidden || now.contains(document.activeElement)) return;
  const last = await fetch(now.dataset.ask, { credentials: "same-origin" });
  if (!last.ok || last.redirected || (await last.text()) === now.dataset.last) return;
  const page = await fetch(location.href, { credentials: "same-origin" });
  if (!page.ok || page.redirected) return;
  const fresh = new DOMParser().parseFromString(await page.text(), "text/html").getElementById("taulu");
  if (fresh) now.replaceWith(fresh);
}
setInterval(() => look().catch(() => {}), 5000);
