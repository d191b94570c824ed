"use strict";
// A run's page while the run is under way: told by events that something happened, it asks for the rendered parts.
(() => {
  const part = document.getElementById("live");
  if (!part || !part.dataset.live) return;
  const log = document.getElementById("log-lines");
  const announce = document.getElementById("announce");
  let state = document.getElementById("run").dataset.state;
  let said = "";
  let busy = false;
  let again = false;

  const show = (fresh) => {
    const shown = fresh.querySelector("[data-state]");
    if (!shown) return; // whatever it was, the next answer may be better
    if (shown.dataset.state !== state) { window.location.reload(); return; }
    part.replaceChildren(shown);
    document.getElementById("head-now").replaceChildren(...fresh.getElementById("head-part").childNodes);
    const lines = log.querySelector(".log");
    const atEnd = lines && lines.scrollTop + lines.clientHeight + 40 >= lines.scrollHeight;
    log.replaceChildren(...fresh.getElementById("log-part").childNodes);
    const now = log.querySelector(".log");
    if (now && (atEnd || !lines)) now.scrollTop = now.scrollHeight;
    const table = document.getElementById("trials");
    if (!table.contains(document.activeElement)) table.replaceChildren(...fresh.getElementById("trials-part").childNodes);
    if (shown.dataset.sentence !== said) { said = shown.dataset.sentence; announce.textContent = said; }
  };
  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const reply = await fetch(part.dataset.live, { credentials: "same-origin" });
      if (reply.redirected) { window.location.reload(); return; } // logged out meanwhile
      if (reply.ok) show(new DOMParser().parseFromString(await reply.text(), "text/html")); // escaped by the server
    } catch {
      // The server is away: it is asked again soon, and the run goes on without it.
    } finally {
      busy = false;
    }
    document.dispatchEvent(new Event("run-refreshed"));
    if (again) { again = false; setTimeout(refresh, 500); }
  };

  let last = 0;
  const nudge = () => {
    const now = Date.now();
    if (now - last < 700) { again = true; if (!busy) { setTimeout(() => { if (again) { again = false; last = Date.now(); refresh(); } }, 700); } return; }
    last = now;
    refresh();
  };
  const stream = new EventSource(part.dataset.events);
  stream.onmessage = nudge;
  for (const kind of ["state", "phase", "progress", "note", "warning", "engine", "budget", "end"]) stream.addEventListener(kind, nudge);
  // Events may be rare while networks train, and a stream may be cut by a proxy: ask now and then all the same.
  setInterval(() => { if (!document.hidden) nudge(); }, 2000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) nudge(); });
})();
