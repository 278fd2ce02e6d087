"use strict";
(() => {
  const { $, make, html, show } = Sim;
  const labelOf = (name) => Maths.ACTIVATIONS[name].label;
  const colour = (name) => `--colour: var(--${name})`;
  const NEURONS = ["--blue", "--orange"]; // the lines of a layer's two neurons

  for (const name of Core.NAMES) {
    const key = html("span", { class: "key", style: colour(name) });
    const box = html("input", { type: "checkbox", name: "on", value: name });
    $("#functions").append(html("label", {}, box, key, labelOf(name)), html("br"));
  }

  // ---- The curves ----------------------------------------------------------------------------------

  function paintCurves(svg, width, height) {
    const { on, slopes, shade, x, low, high } = state.values;
    const labels = ["x", slopes ? "f(x), dashed f′(x)" : "f(x)"];
    const place = Sim.chart(svg, width, height, { x: Core.RANGE, y: [low, high], labels, right: 84 });
    if (shade) paintRegions(svg, place, on);
    const at = place.x(x);
    place.plot.append(make("line", { class: "here", x1: at, x2: at, y1: place.box.top, y2: place.box.bottom }));
    for (const name of on) {
      const { f, d } = Maths.ACTIVATIONS[name];
      const style = colour(name);
      place.plot.append(make("path", { class: "curve", style, d: place.path(Core.curve(name)) }));
      place.plot.append(make("circle", { class: "dot", style, cx: at, cy: place.y(f(x)), r: 6 }));
      if (!slopes) continue;
      const dashes = place.path(Core.curve(name, true));
      place.plot.append(make("path", { class: "curve dashed thin", style, d: dashes }));
      place.plot.append(make("rect", { class: "dot", style, x: at - 4, y: place.y(d(x)) - 4, width: 8, height: 8 }));
    }
    nameCurves(svg, place, on);
  }

  // Each curve's name at its right end, moved down where two would meet.
  function nameCurves(svg, place, on) {
    const { top, bottom, right } = place.box;
    const ends = on.map((name) => ({ name, y: place.y(Maths.ACTIVATIONS[name].f(Core.RANGE[1])) }));
    ends.sort((a, b) => a.y - b.y);
    let free = top + 6;
    ends.forEach(({ name, y }, i) => {
      const last = bottom - 14 * (ends.length - 1 - i); // leaves room for those below
      const at = Math.max(free, Math.min(y + 4, last));
      svg.append(make("text", { class: "name", style: colour(name), x: right + 6, y: at }, labelOf(name)));
      free = at + 14;
    });
  }

  function paintRegions(svg, place, on) {
    const hatch = { id: "hatch", width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
    const line = make("line", { y2: 5, "stroke-width": 3, style: "stroke: var(--quiet)" });
    svg.append(make("defs", {}, make("pattern", hatch, line)));
    let row = 0;
    for (const name of on) {
      for (const { from, to, kind } of Core.regions(name)) {
        const span = { x: place.x(from), width: place.x(to) - place.x(from), style: colour(name) };
        const { top, bottom } = place.box;
        place.plot.append(make("rect", { class: "gone", ...span, y: top, height: bottom - top }));
        place.plot.append(make("rect", { class: `strip ${kind}`, ...span, y: top + row * 10, height: 8, "data-name": name }));
      }
      row += Core.regions(name).length > 0;
    }
  }

  function tellCurves({ on, x, shade }) {
    $("#at").textContent = show(x);
    $("#values").replaceChildren(...on.map((name) => {
      const { f, d } = Maths.ACTIVATIONS[name];
      const head = html("th", { scope: "row" }, labelOf(name));
      const cells = [Core.FORMULAS[name], show(f(x), 6), show(d(x), 6)];
      return html("tr", { "data-name": name }, head, ...cells.map((text) => html("td", {}, text)));
    }));
    const told = on.flatMap((name) => Core.regions(name).map(({ from, to, kind }) => {
      const what = kind === "zero" ? "is 0" : `is below ${Core.VANISHED}`;
      return `${labelOf(name)}'s derivative ${what} from ${show(from, 3)} to ${show(to, 3)}`;
    }));
    const shades = shade ? "Shaded, with a strip at the top (hatched where it is 0): " : "";
    $("#curves-told").textContent = told.length ? `${shades}${told.join("; ")}.` : "No gradient vanishes here.";
  }

  // ---- Stacked layers ------------------------------------------------------------------------------

  // The lines between two stages, blended while the animation is under way.
  function stackPaths(layers, stage) {
    const before = Core.stackLines(layers, Math.min(Math.floor(stage), 3));
    const after = Core.stackLines(layers, Math.min(Math.ceil(stage), 3));
    const share = stage - Math.floor(stage);
    return Array.from({ length: Math.max(before.length, after.length) }, (_, i) => {
      const [a, b] = [before[i] ?? before[0], after[i] ?? after[0]];
      return a.map(([x, y], k) => [x, y + share * (b[k][1] - y)]);
    });
  }

  function paintStack(svg, width, height) {
    const { numbers, bend, stage } = state.values;
    const layers = Core.stack(numbers, bend);
    const every = [0, 1, 2, 3].flatMap((n) => Core.stackLines(layers, n).flat().map(([, y]) => y));
    const y = [Math.min(...every), Math.max(...every)];
    const place = Sim.chart(svg, width, height, { x: Core.RANGE, y, labels: ["x", "outputs of the layer"] });
    stackPaths(layers, stage).forEach((points, i) => {
      const style = `--colour: var(${NEURONS[i]})`;
      place.plot.append(make("path", { class: "curve", style, d: place.path(points) }));
    });
    if (stage < 4) return;
    const { slope, intercept } = oneLayer(layers, bend);
    const ends = Core.RANGE.map((x) => [x, slope * x + intercept]);
    const style = "--colour: var(--ink)";
    place.plot.append(make("path", { class: "curve dashed", style, d: place.path(ends) }));
  }

  function oneLayer(layers, bend) {
    return bend ? Core.nearestLine(Core.stackLines(layers, 3)[0]) : Core.collapse(layers);
  }

  function tellStack({ numbers, bend, stage }) {
    const layers = Core.stack(numbers, bend);
    const { slope, intercept } = oneLayer(layers, bend);
    const [output] = Core.stackLines(layers, 3);
    const gap = Math.max(...output.map(([x, y]) => Math.abs(y - slope * x - intercept)));
    const line = `y = ${show(slope, 3)} · x ${intercept < 0 ? "−" : "+"} ${show(Math.abs(intercept), 3)}`;
    const after = bend ? "Bent by the ReLU" : "Straight lines";
    const last = gap < 1e-9
      ? `One linear layer does the same as all three together: ${line} (dashed). Largest difference: ${show(gap, 2)}.`
      : `No linear layer can do this: the nearest, ${line} (dashed), is up to ${show(gap, 2)} off.`;
    const unbent = bend && gap < 1e-9 ? " This ReLU doesn't bend here; try other random numbers." : "";
    $("#stack-told").textContent = [
      "Before any layer: the input x itself.",
      `After layer 1, two neurons: ${bend ? "the ReLU cuts off everything below 0." : "two straight lines."}`,
      `After layer 2, two neurons: each a sum of the lines before. ${after}.`,
      `After layer 3, the output: again a sum. ${after}.`,
      last + unbent,
    ][Math.floor(stage)];
    $("#stack-sums").textContent = layers.map(({ weights, biases, activation }, i) => {
      const sums = weights.map((row, n) => {
        const inputs = row.map((w, k) => `${show(w, 3)}·${i ? `h${i}${"ab"[k]}` : "x"}`).join(" + ");
        const sum = `${inputs} + ${show(biases[n], 3)}`.replaceAll("+ −", "− ");
        const name = i === 2 ? "y" : `h${i + 1}${"ab"[n]}`;
        return `${name} = ${activation === "relu" ? `relu(${sum})` : sum}`;
      });
      return `Layer ${i + 1}\n${sums.join("\n")}`;
    }).join("\n");
    $("#stack-back").disabled = stage === 0;
    $("#stack-next").disabled = stage === 4;
  }

  // ---- The product of derivatives ------------------------------------------------------------------

  function paintChain(svg, width, height) {
    const { on, layers } = state.values;
    const size = (value) => Math.log10(Math.abs(value)); // of 0 it is not finite, and not drawn
    const lines = on.map((name) => Core.chain(name, state.values).map((v, i) => [i + 1, size(v)]));
    const sizes = lines.flat().map(([, v]) => v).filter(Number.isFinite);
    const y = [Math.min(-1, ...sizes), Math.max(1, ...sizes)];
    const labels = ["layers", "size of the gradient"];
    const place = Sim.chart(svg, width, height, { x: [0, layers], y, labels, power: true });
    on.forEach((name, i) => {
      const style = colour(name);
      const points = [[0, 0], ...lines[i]];
      place.plot.append(make("path", { class: "curve", style, d: place.path(points) }));
      for (const [n, v] of lines[i].filter(([, v]) => Number.isFinite(v))) {
        place.plot.append(make("circle", { class: "dot", style, cx: place.x(n), cy: place.y(v), r: 3.5 }));
      }
    });
  }

  function tellChain(values) {
    const ends = values.on.map((name) => `${labelOf(name)} ${show(Core.chain(name, values).at(-1))}`);
    const layers = values.layers === 1 ? "one layer" : `${values.layers} layers`;
    $("#chain-told").textContent = `Gradient through ${layers}: ${ends.join("; ") || "tick a function above"}.`;
  }

  // ---- Everything together -------------------------------------------------------------------------

  const draws = [
    Sim.canvas($("#plot"), ["on", "slopes", "shade", "x", "low", "high"], paintCurves),
    Sim.canvas($("#stack"), ["numbers", "bend", "stage"], paintStack),
    Sim.canvas($("#chain"), ["on", "layers", "start", "weight"], paintChain),
  ];
  const state = Sim.keepState(Core.DEFAULTS, Core.check, (values) => {
    for (const draw of draws) draw(values);
    tellCurves(values);
    tellStack(values);
    tellChain(values);
    $("#code").textContent = Core.pytorch(values);
  });

  const goTo = (stage) => state.set({ stage: Maths.clamp(stage, 0, 4) });
  $("#stack-back").addEventListener("click", () => goTo(Math.ceil(state.values.stage) - 1));
  $("#stack-next").addEventListener("click", () => {
    const target = Math.floor(state.values.stage) + 1;
    if (Sim.calm()) return goTo(target);
    Sim.animate((seconds) => {
      goTo(Math.min(state.values.stage + seconds * 2, target));
      return state.values.stage < target;
    });
  });
  Sim.player($("#stack-play"), (seconds) => {
    goTo((state.values.stage === 4 ? 0 : state.values.stage) + seconds / 1.5);
    return state.values.stage < 4;
  }, () => goTo(4));
  Sim.player($("#sweep"), (seconds) => {
    const x = state.values.x >= 5 ? -5 : state.values.x + seconds * 2;
    state.set({ x: Math.min(x, 5) });
    return x < 5;
  }, () => state.set({ x: 5 }));
  Sim.copier($("#copy"), () => $("#code").textContent);
  state.update();
})();
