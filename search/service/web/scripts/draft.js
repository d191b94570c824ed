"use strict";
// The form of a new run: what it would cost is asked again whenever something changed.
(() => {
  const form = document.getElementById("draft");
  const panel = document.getElementById("plan");
  let asking = null;
  let waiting = 0;

  const plan = async () => {
    if (asking) asking.abort();
    asking = new AbortController();
    panel.setAttribute("aria-busy", "true");
    try {
      const reply = await fetch(form.dataset.plan, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { "X-CSRF-Token": form.elements.csrf.value },
        signal: asking.signal,
        credentials: "same-origin",
      });
      if (reply.redirected || reply.status === 401) { window.location.reload(); return; }
      if (reply.status === 429 || reply.status === 503) { waiting = setTimeout(plan, 1500); return; } // its turn will come
      panel.innerHTML = await reply.text(); // rendered and escaped by the server
      panel.removeAttribute("aria-busy");
    } catch (error) {
      if (error.name === "AbortError") return; // a newer question is on its way
      panel.removeAttribute("aria-busy");
      panel.textContent = "The server did not answer. The plan is asked again with your next change.";
    }
  };
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(plan, 350); });

  const errors = document.getElementById("errors");
  if (errors) { errors.tabIndex = -1; errors.focus(); }
})();
