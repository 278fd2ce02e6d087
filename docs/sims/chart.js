"use strict";
// Axes for a drawing, as Sim.chart.
(() => {
  const { make, show } = Sim;

  // About `count` round numbers from low to high.
  function ticks(low, high, count) {
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough * 0.999);
    const found = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) {
      found.push(Number((n * step).toPrecision(6)));
    }
    return found;
  }

  // Axes with a grid. x and y are [low, high]; returns how to place points: { x, y, path, plot }.
  Sim.chart = function chart(svg, width, height, { x, y, labels, right = 12, power = false }) {
    const box = { left: 62, top: 12, right: width - right, bottom: height - 40 };
    const scale = ([low, high], from, to) => (value) => from + ((value - low) / (high - low)) * (to - from);
    const place = { x: scale(x, box.left, box.right), y: scale(y, box.bottom, box.top), box };
    const text = (value) => (power ? `1e${value}`.replace("-", "−") : show(value));
    const grid = make("g", { class: "grid" });
    for (const value of ticks(...x, Math.min(10, (box.right - box.left) / 50))) {
      const at = place.x(value);
      grid.append(make("line", { x1: at, x2: at, y1: box.top, y2: box.bottom, class: value ? "" : "axis" }));
      grid.append(make("text", { x: at, y: box.bottom + 16, "text-anchor": "middle" }, show(value)));
    }
    for (const value of ticks(...y, Math.min(8, (box.bottom - box.top) / 30))) {
      const at = place.y(value);
      grid.append(make("line", { x1: box.left, x2: box.right, y1: at, y2: at, class: value ? "" : "axis" }));
      grid.append(make("text", { x: box.left - 6, y: at + 4, "text-anchor": "end" }, text(value)));
    }
    const middle = (box.top + box.bottom) / 2;
    grid.append(make("text", { x: (box.left + box.right) / 2, y: height - 4, "text-anchor": "middle" }, labels[0]));
    grid.append(make("text", { x: 13, y: middle, transform: `rotate(-90 13 ${middle})`, "text-anchor": "middle" }, labels[1]));
    const id = `inside-${svg.id}`; // what leaves the box is cut off
    const cut = make("clipPath", { id }, make("rect", {
      x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top,
    }));
    place.plot = make("g", { "clip-path": `url(#${id})` });
    place.path = (points) => {
      const finite = points.filter(([, value]) => Number.isFinite(value));
      const near = (at) => Math.min(Math.max(at, -1e4), 1e4).toFixed(1);
      return finite.map(([a, b], i) => `${i ? "L" : "M"}${near(place.x(a))} ${near(place.y(b))}`).join("");
    };
    svg.append(cut, grid, place.plot);
    return place;
  };
})();
