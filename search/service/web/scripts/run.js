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

  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    const reply = await fetch(part.dataset.live, { credentials: "same-origin" }).catch(() => null);
    if (reply && reply.ok) {
      const fresh = new DOMParser().parseFromString(await reply.text(), "text/html"); // rendered and escaped by the server
      const shown = fresh.querySelector("[data-state]");
      if (shown.dataset.state !== state) { window.location.reload(); return; }
      part.replaceChildren(shown);
      const atEnd = log.firstElementChild && log.lastElementChild.scrollTop + log.lastElementChild.clientHeight + 40 >= log.lastElementChild.scrollHeight;
      log.replaceChildren(...fresh.getElementById("log-part").childNodes);
      if (atEnd && log.lastElementChild) log.lastElementChild.scrollTop = log.lastElementChild.scrollHeight;
      const table = document.getElementById("trials");
      if (!table.contains(document.activeElement)) table.replaceChildren(...fresh.getElementById("trials-part").childNodes);
      if (shown.dataset.sentence !== said) { said = shown.dataset.sentence; announce.textContent = said; }
    }
    busy = false;
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
