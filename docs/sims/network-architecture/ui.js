"use strict";
(() => {
  const { $, make, html, show } = Sim;
  const labelOf = (name) => Maths.ACTIVATIONS[name].label;
  const last = () => state.values.hidden.length + 1; // the output layer's number

  const options = (names) => names.map((name) => html("option", { value: name }, labelOf(name)));
  $('[name="output"]').append(...options(Core.OUTPUT));
  for (const [name, sizes] of Object.entries(Core.PRESETS)) {
    const button = html("button", { type: "button" }, `[${name.replaceAll("-", ", ")}]`);
    button.addEventListener("click", () => {
      // A class for each of several outputs; a number for one.
      const output = sizes.outputs > 1 ? "softmax" : "linear";
      state.set({ ...sizes, output, activations: ["relu"], layer: 1, neuron: 1, stage: 0, x: "" });
    });
    $("#presets").append(button);
  }

  // ---- The hidden layers' controls: one row each, made anew when their number changes --------------

  function hiddenControls({ hidden, activations }) {
    const rows = $("#layers");
    if (rows.children.length !== hidden.length) {
      rows.replaceChildren(...hidden.map((_, i) => {
        const size = html("input", { type: "number", min: 1, max: Core.LIMITS.neurons, "aria-label": `Neurons in hidden layer ${i + 1}` });
        const choice = html("select", { "aria-label": `Activation of hidden layer ${i + 1}` }, ...options(Core.HIDDEN));
        size.addEventListener("input", () => {
          if (!Number.isNaN(size.valueAsNumber)) change("hidden", i, size.valueAsNumber);
        });
        size.addEventListener("change", () => { size.value = state.values.hidden[i]; });
        choice.addEventListener("input", () => change("activations", i, choice.value));
        return html("div", { class: "row layer" }, `${i + 1}.`, size, choice);
      }));
    }
    hidden.forEach((neurons, i) => {
      const [size, choice] = rows.children[i].children;
      if (size !== document.activeElement) size.value = neurons;
      choice.value = activations[i];
    });
    $("#more").disabled = hidden.length === Core.LIMITS.layers;
    $("#fewer").disabled = hidden.length === 1;
    $('[name="output"] option[value="softmax"]').disabled = state.values.outputs === 1;
  }

  const change = (key, i, value) => state.set({ [key]: state.values[key].with(i, value) });
  $("#more").addEventListener("click", () => {
    const { hidden, activations } = state.values;
    state.set({ hidden: [...hidden, hidden.at(-1)], activations: [...activations, activations.at(-1)] });
  });
  $("#fewer").addEventListener("click", () => state.set({ hidden: state.values.hidden.slice(0, -1) }));

  // ---- The drawing ---------------------------------------------------------------------------------

  function paint(svg, width, height) {
    const { values } = state;
    const sizes = Core.sizesOf(values);
    const network = Core.makeNetwork(values);
    const x = Core.inputValues(values);
    const outputs = [x, ...Maths.forward(network, x).map(({ a }) => a)];
    const step = (width - 80) / (sizes.length - 1);
    const radius = Math.min(15, step / 3.2);
    const places = sizes.map((size, layer) => {
      const shown = Core.drawn(size);
      const gap = (height - 70) / Math.max(shown.length, 5);
      const top = (height - 30) / 2 + 24 - (gap * (shown.length - 1)) / 2;
      return shown.map((neuron, i) => ({ neuron, x: 40 + layer * step, y: top + i * gap }));
    });
    paintLines(svg, places, network, values);
    places.forEach((column, layer) => {
      svg.append(make("text", { x: column[0].x, y: 18, "text-anchor": "middle" }, String(sizes[layer])));
      const reached = values.stage >= layer ? outputs[layer] : null;
      for (const place of column) paintNeuron(svg, place, layer, radius, reached);
    });
  }

  // Lines end at the neurons that are drawn; the width is the weight's share of the layer's largest.
  function paintLines(svg, places, network, { layer: chosen, neuron: which, stage }) {
    const chosenLines = make("g");
    const others = make("g");
    network.forEach(({ weights }, i) => {
      const largest = Math.max(...weights.map((row) => Math.max(...row.map(Math.abs))));
      const lit = stage > i && stage <= i + 1 && stage > 0;
      for (const to of places[i + 1].filter(({ neuron }) => neuron !== null)) {
        for (const from of places[i].filter(({ neuron }) => neuron !== null)) {
          const weight = weights[to.neuron][from.neuron];
          const mine = chosen === i + 1 && which === to.neuron + 1;
          const reached = stage < i + 1 && lit ? stage - i : 1; // the pass under way draws its lines
          const sign = weight < 0 ? "negative" : "positive";
          (mine ? chosenLines : others).append(make("line", {
            class: `${sign}${mine ? " of-chosen" : ""}${lit ? " lit" : ""}`,
            "stroke-width": 0.4 + (3.6 * Math.abs(weight)) / largest,
            x1: from.x, y1: from.y,
            x2: from.x + (to.x - from.x) * reached, y2: from.y + (to.y - from.y) * reached,
          }));
        }
      }
    });
    svg.append(others, chosenLines);
  }

  const kindOf = (layer) => (layer === 0 ? "input" : layer === last() ? "output" : "hidden");

  // A circle, filled by the neuron's share of the layer's largest output once the pass has reached it.
  function paintNeuron(svg, { neuron, x, y }, layer, radius, outputs) {
    if (neuron === null) {
      svg.append(make("text", { x, y: y + 4, "text-anchor": "middle", class: "left-out" }, "…"));
      return;
    }
    const { layer: chosen, neuron: which } = state.values;
    const mark = chosen === layer && which === neuron + 1 ? " chosen" : "";
    const circle = make("circle", { class: kindOf(layer) + mark, cx: x, cy: y, r: radius });
    circle.addEventListener("click", () => state.set({ layer, neuron: neuron + 1 }));
    svg.append(circle);
    if (outputs === null) return;
    const share = Math.abs(outputs[neuron]) / (Math.max(...outputs.map(Math.abs)) || 1);
    const pale = outputs[neuron] < 0 ? 0.4 : 1;
    const r = (radius - 3) * Math.sqrt(share);
    svg.append(make("circle", { class: `fill ${kindOf(layer)}`, cx: x, cy: y, r, opacity: pale }));
  }

  // ---- The words -----------------------------------------------------------------------------------

  function tell(values) {
    const sizes = Core.sizesOf(values);
    const { weights, biases, parameters, layers } = Core.count(sizes);
    $("#weights").textContent = Sim.thousands(weights);
    $("#biases").textContent = Sim.thousands(biases);
    $("#parameters").textContent = Sim.thousands(parameters);
    const sums = layers.map(({ biases }, i) => `${sizes[i]} · ${biases} + ${biases}`);
    $("#sums").textContent = `Layer by layer: ${sums.join(", then ")}.`;

    const network = Core.makeNetwork(values);
    const x = Core.inputValues(values);
    const reached = Math.floor(values.stage);
    const outputs = reached === 0 ? x : Maths.forward(network, x)[reached - 1].a;
    const who = reached === 0 ? "The inputs" : reached === last() ? "The output" : `Hidden layer ${reached}`;
    const some = outputs.slice(0, 8).map((value) => show(value, 3)).join(", ");
    const more = outputs.length > 8 ? `, … (${outputs.length - 8} more)` : "";
    $("#net-told").textContent = `A network of [${sizes.join(", ")}]. ${who}: ${some}${more}.`;
    $("#equation").textContent = equation(Core.neuronAt(network, x, values.layer, values.neuron), values);
    $("#back").disabled = $("#reset").disabled = values.stage === 0;
    $("#next").disabled = values.stage === last();
  }

  function equation({ inputs, weights, bias, activation, sum, output }, { layer, neuron, hidden }) {
    const who = `neuron ${neuron} of ${layer === 0 ? "the input" : layer > hidden.length ? "the output" : `hidden layer ${layer}`}`;
    if (layer === 0) return `${who} is the number ${show(output)}: it has no equation.`;
    const all = weights.map((weight, i) => `(${show(weight)}) · (${show(inputs[i])})`);
    const terms = all.length > 8 ? [...all.slice(0, 6), `… ${all.length - 7} more …`, all.at(-1)] : all;
    const f = { linear: "no activation", softmax: "softmax over the layer" }[activation] ?? labelOf(activation);
    return `${who}: weight · input of each neuron before it, and the bias
z = ${terms.join("\n  + ")}
  + (${show(bias)})
  = ${show(sum, 6)}
output = f(z) = ${show(output, 6)}        f: ${f}`;
  }

  function tellToml(values) {
    try {
      $("#toml").textContent = Core.toml(values);
      $("#copy-toml").disabled = false;
    } catch (error) {
      $("#toml").textContent = error.message;
      $("#copy-toml").disabled = true;
    }
  }

  // ---- Everything together -------------------------------------------------------------------------

  const draw = Sim.canvas($("#net"), Object.keys(Core.DEFAULTS), paint);
  const state = Sim.keepState(Core.DEFAULTS, Core.check, (values) => {
    hiddenControls(values);
    draw(values);
    tell(values);
    tellToml(values);
    $("#code").textContent = Core.pytorch(values);
  });

  const goTo = (stage) => state.set({ stage: Maths.clamp(stage, 0, last()) });
  $("#back").addEventListener("click", () => goTo(Math.ceil(state.values.stage) - 1));
  $("#reset").addEventListener("click", () => goTo(0));
  $("#next").addEventListener("click", () => {
    const target = Math.floor(state.values.stage) + 1;
    if (Sim.calm()) return goTo(target);
    Sim.animate((seconds) => {
      goTo(Math.min(state.values.stage + seconds * 2, target));
      return state.values.stage < target;
    });
  });
  Sim.player($("#play"), (seconds) => {
    goTo((state.values.stage === last() ? 0 : state.values.stage) + seconds);
    return state.values.stage < last();
  }, () => goTo(last()));
  Sim.opener($("#file"), (text, name) => {
    const { changes, note } = Core.fromModelJson(text);
    state.set(changes);
    Sim.say(`${name} is open. ${note}`);
  });
  Sim.copier($("#copy"), () => $("#code").textContent);
  Sim.copier($("#copy-toml"), () => $("#toml").textContent);
  state.update();
})();
