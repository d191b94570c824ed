"use strict";
// The page of a solved table: every budget is solved already, the slider shows one answer at a time.
(() => {
  const range = document.getElementById("point-range");
  const points = [...document.querySelectorAll("#points > .point")];
  if (range) {
    range.addEventListener("input", () => {
      points.forEach((point, i) => { point.hidden = i !== Number(range.value); });
      const shown = points[Number(range.value)];
      range.setAttribute("aria-valuetext", shown.dataset.text);
      const figure = document.querySelector("[data-figure].js-plotly-plot");
      if (!figure) return;
      const colour = getComputedStyle(document.documentElement).getPropertyValue("--chosen").trim();
      const at = Number(shown.dataset.cost);
      Plotly.relayout(figure, { shapes: [{ type: "line", x0: at, x1: at, y0: 0, y1: 1, yref: "paper", line: { color: colour, width: 2, dash: "dot" } }] });
    });
  }
  const example = document.getElementById("example");
  if (example) {
    example.hidden = false;
    example.addEventListener("click", () => {
      document.getElementById("text").value = [
        "network,cost,task,loss",
        "depth,1,depth,0.52", "normals,1,normals,0.31", "edges,1,edges,0.18", "pose,1,pose,0.44",
        "depth+normals,1,depth,0.47", "depth+normals,1,normals,0.29",
        "depth+edges,1,depth,0.51", "depth+edges,1,edges,0.21",
        "normals+edges,1,normals,0.33", "normals+edges,1,edges,0.17",
        "edges+pose,1,edges,0.19", "edges+pose,1,pose,0.41",
        "depth+normals+edges+pose,1,depth,0.55", "depth+normals+edges+pose,1,normals,0.34",
        "depth+normals+edges+pose,1,edges,0.22", "depth+normals+edges+pose,1,pose,0.46",
      ].join("\n") + "\n";
      document.getElementById("text").focus();
    });
  }
})();
