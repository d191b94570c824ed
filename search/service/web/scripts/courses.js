"use strict";
// The curves of a run so far: asked for with what is drawn already, so that nothing is sent where nothing is new.
(() => {
  const section = document.getElementById("curves");
  if (!section) return;
  const island = document.getElementById("figures");
  const task = document.getElementById("courses-task");
  const plot = document.getElementById("courses-plot");
  const caption = document.getElementById("courses-caption");
  let asking = null;
  let last = 0; // the server reads some thousand losses for each answer

  const ask = async (seen) => {
    const mine = asking = new AbortController();
    try {
      const query = new URLSearchParams({ task: task.value, seen });
      const reply = await fetch(`${section.dataset.courses}?${query}`, { credentials: "same-origin", signal: mine.signal });
      if (reply.status !== 200 || reply.redirected) return;
      const found = await reply.json();
      section.dataset.seen = found.version;
      caption.textContent = found.caption;
      plot.hidden = !found.figure;
      const shown = JSON.parse(island.textContent);
      delete shown.figures.courses;
      if (found.figure) shown.figures.courses = found.figure;
      island.textContent = JSON.stringify(shown);
      document.dispatchEvent(new Event("figures"));
    } catch {
      // The server is away, or a newer question is on its way.
    } finally {
      if (asking === mine) asking = null;
    }
  };
  task.addEventListener("change", () => { if (asking) asking.abort(); ask(""); });
  document.addEventListener("run-refreshed", () => {
    if (asking || Date.now() - last < 4000) return;
    last = Date.now();
    ask(section.dataset.seen);
  });
})();
