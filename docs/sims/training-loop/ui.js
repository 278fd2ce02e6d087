"use strict";
(() => {
  const { $, make, html, show } = Sim;
  const CARDS = [
    ["Zero the gradients", "optimizer.zero_grad()"],
    ["Forward pass", "outputs = network(inputs)"],
    ["Compute the loss", "loss = loss_function(outputs, targets)"],
    ["Backward pass", "loss.backward()"],
    ["Update the weights", "optimizer.step()"],
  ];
  let run; // what Core.runTo gave last

  CARDS.forEach(([title, code], i) => {
    const parts = [html("h3", {}, `${i + 1}. ${title}`), html("code", {}, code), html("p")];
    $("#cards").append(html("li", {}, ...parts));
  });
  for (const { label, rate, zero, deep } of Object.values(Core.PRESETS)) {
    const button = html("button", { type: "button" }, label);
    button.addEventListener("click", () => state.set({ rate, zero, deep, steps: 0 }));
    $("#presets").append(button);
  }

  // ---- Words and numbers ---------------------------------------------------------------------------

  // How the current batch stands: 0 before the loop, else the number of the step done last, 1 to 5.
  const doneOf = ({ steps }) => (steps === 0 ? 0 : ((steps - 1) % Core.STEPS.length) + 1);

  function weightOf(network, { weight }) {
    return Core.flat(network)[weight - 1];
  }

  function details(values) {
    const done = doneOf(values);
    const gradients = Core.flat(run.gradients).map(Math.abs);
    const largest = show(Math.max(...gradients), 3);
    const outputs = done >= 2 ? run.traces[0].at(-1).a.map((o) => show(o, 3)).join(", ") : "";
    const target = done >= 2 ? show(run.targets[run.rows[0]], 3) : "";
    const gone = values.zero ? "All gradients are 0." : `Forgotten: the largest gradient is still ${largest}.`;
    return [
      done >= 1 ? `Rows ${run.rows.slice(0, 4).map((row) => row + 1).join(", ")} … are next. ${done === 1 || !values.zero ? gone : ""}` : "",
      done >= 2 ? `First row: ${outputs}; its target is ${target}.` : "",
      done >= 3 ? `loss = ${show(run.losses.at(-1))}` : "",
      done >= 4 ? `Largest gradient: ${largest}.` : "",
      done >= 5 ? `Weight ${values.weight}: ${show(weightOf(run.before, values))} → ${show(weightOf(run.network, values))}` : "",
    ];
  }

  function tellCards(values) {
    const done = doneOf(values);
    details(values).forEach((detail, i) => {
      const card = $("#cards").children[i];
      if (done === i + 1) card.setAttribute("aria-current", "step");
      else card.removeAttribute("aria-current");
      card.classList.toggle("forgotten", i === 0 && !values.zero);
      card.querySelector("p").textContent = detail;
    });
    const step = done ? `${done} of 5: ${CARDS[done - 1][0].toLowerCase()}.` : "Nothing has happened yet: press Step.";
    const broken = run.losses.some((loss) => !Number.isFinite(loss));
    $("#told").textContent = `${done ? `Step ${step}` : step}${broken ? " The loss is no longer a number: training has diverged." : ""}`;
    const preset = Object.values(Core.PRESETS).find((one) => ["rate", "zero", "deep"].every((k) => one[k] === values[k]));
    $("#why").textContent = preset ? `${preset.label}. ${preset.why}` : "Your own settings: what do you expect?";
  }

  function tellNumbers(values) {
    const { steps, rate, weight } = values;
    const done = doneOf(values);
    const losses = run.losses;
    $("#in-epoch").textContent = Math.ceil(steps / Core.PER_EPOCH);
    $("#in-iteration").textContent = Math.ceil(steps / Core.STEPS.length);
    $("#updates").textContent = Math.floor(steps / Core.STEPS.length);
    $("#batch-loss").textContent = losses.length ? show(losses.at(-1)) : "none yet";
    $("#average").textContent = losses.length ? show(Core.average(losses).at(-1)) : "none yet";

    const { layer, neuron, input } = Core.whereIs(run.network, weight);
    $("#place").textContent = `Layer ${layer}, to its neuron ${neuron}, from input ${input}.`;
    const [before, after] = [weightOf(run.before, values), weightOf(run.network, values)];
    const gradient = Core.flat(run.gradients)[weight - 1];
    $("#before").textContent = show(before, 6);
    $("#gradient").textContent = done >= 4 ? show(gradient, 5) : "not yet";
    $("#after").textContent = done === 5 ? show(after, 6) : "not yet";
    $("#rule").textContent = done === 5
      ? `after = before − rate · gradient = ${show(before, 6)} − ${show(rate)} · (${show(gradient, 5)}) = ${show(after, 6)}`
      : "after = before − rate · gradient";
    $("#sizes").textContent = Core.gradientSizes(run).map((size, i) => `layer ${i + 1}: ${show(size, 2)}`).join(", ");
    $("#back").disabled = $("#reset").disabled = steps === 0;
    for (const id of ["#step", "#iteration", "#epoch", "#play"]) $(id).disabled = steps === Core.MOST;
  }

  // ---- Drawings ------------------------------------------------------------------------------------

  function paintCurve(svg, width, height) {
    const { losses } = run;
    const finite = losses.filter(Number.isFinite);
    // A loss that grows without end leaves the drawing, so that its beginning stays in sight.
    const top = Math.min(Math.max(...finite, 0.1), 5 * (finite[0] ?? 1));
    const x = [0, Math.max(8, losses.length)];
    const place = Sim.chart(svg, width, height, { x, y: [0, top * 1.05], labels: ["iteration", "loss"] });
    const points = (values) => place.path(values.map((loss, i) => [i + 1, loss]));
    place.plot.append(make("path", { class: "curve batch thin", d: points(losses) }));
    place.plot.append(make("path", { class: "curve mean dashed", d: points(Core.average(losses)) }));
  }

  function paintBars(svg, width, height) {
    const { edge, counts } = Core.histogram(run.network);
    const most = Math.max(...counts, 1);
    const labels = ["weight", "how many"];
    const place = Sim.chart(svg, width, height, { x: [-edge, edge], y: [0, most], labels });
    const size = (2 * edge) / counts.length;
    counts.forEach((count, i) => {
      const [left, right] = [place.x(-edge + i * size), place.x(-edge + (i + 1) * size)];
      const bar = { class: "bar", x: left + 0.5, width: right - left - 1, y: place.y(count) };
      place.plot.append(make("rect", { ...bar, height: place.y(0) - place.y(count) }));
    });
    const followed = weightOf(run.network, state.values);
    if (Number.isFinite(followed)) {
      const at = place.x(followed);
      place.plot.append(make("line", { class: "mark", x1: at, x2: at, y1: place.box.top, y2: place.box.bottom }));
    }
    const total = counts.reduce((a, b) => a + b);
    $("#bars-told").textContent = `The ${total} weights by size; the vertical line marks the one that you follow.`;
  }

  function paintHistory(svg, width, height) {
    const { train, validation, best } = Text.readHistory(state.values);
    if (train.length === 0) return;
    const all = [...train, ...validation].map(([, loss]) => loss);
    const x = [0, train.at(-1)[0]];
    const y = [Math.min(0, ...all), Math.max(...all) * 1.05 || 1];
    const place = Sim.chart(svg, width, height, { x, y, labels: ["epoch", "loss"] });
    place.plot.append(make("path", { class: "curve train", d: place.path(train) }));
    place.plot.append(make("path", { class: "curve validation dashed", d: place.path(validation) }));
    place.plot.append(make("circle", { class: "best", cx: place.x(best[0]), cy: place.y(best[1]), r: 6 }));
  }

  function tellHistory(values) {
    $("#own").hidden = values.history.length === 0;
    if ($("#own").hidden) return;
    const { train, best, told } = Text.readHistory(values);
    const some = values.every > 1 ? ` (every ${values.every}th one shown)` : "";
    $("#history-told").textContent = `${train.at(-1)[0]} epochs${some}. The validation loss is lowest in epoch ${best[0]}: `
      + `${show(best[1])}. ${told}`;
  }

  // ---- Everything together -------------------------------------------------------------------------

  const keys = ["problem", "rate", "zero", "deep", "seed", "steps"];
  const draws = [
    Sim.canvas($("#curve"), keys, paintCurve),
    Sim.canvas($("#bars"), [...keys, "weight"], paintBars),
    Sim.canvas($("#history"), ["history", "every"], paintHistory),
  ];
  const state = Sim.keepState(Core.DEFAULTS, Core.check, (values) => {
    run = Core.runTo(values, run);
    tellCards(values);
    tellNumbers(values);
    tellHistory(values);
    for (const draw of draws) draw(values);
    $("#code").textContent = Text.pytorch(values);
  });

  // To the end of the part of so many steps that the run is in.
  const complete = (size) => state.set({ steps: (Math.floor(state.values.steps / size) + 1) * size });
  const goBy = (steps) => state.set({ steps: state.values.steps + steps });
  $("#back").addEventListener("click", () => goBy(-1));
  $("#step").addEventListener("click", () => goBy(1));
  $("#iteration").addEventListener("click", () => complete(Core.STEPS.length));
  $("#epoch").addEventListener("click", () => complete(Core.PER_EPOCH));
  $("#reset").addEventListener("click", () => state.set({ steps: 0 }));
  let owed = 0; // parts of a step
  Sim.player($("#play"), (seconds) => {
    owed += seconds * state.values.speed;
    const steps = Math.floor(owed);
    owed -= steps;
    if (steps) goBy(steps);
    return state.values.steps < Core.MOST;
  }, () => complete(Core.PER_EPOCH));
  Sim.opener($("#file"), (text, name) => {
    state.set(Text.fromHistoryCsv(text));
    Sim.say(`${name} is open.`);
  });
  $("#close").addEventListener("click", () => state.set({ history: [], every: 1 }));
  Sim.copier($("#copy"), () => $("#code").textContent);
  state.update();
})();
