"use strict";
// What the network architecture builder computes. Pure: the same arguments give the same results.
const Core = (() => {
  const M = typeof require === "function" ? require("../maths.js") : Maths;

  const HIDDEN = ["relu", "leaky_relu", "silu", "tanh", "sigmoid", "linear"];
  const OUTPUT = ["linear", "sigmoid", "softmax"];
  const LIMITS = { inputs: 1000, layers: 5, neurons: 128, outputs: 20 };
  const SHORT = 16; // so many input values are written out in the code, rounded
  const PRESETS = {
    "4-8-1": { inputs: 4, hidden: [8], outputs: 1 },
    "4-32-16-8-1": { inputs: 4, hidden: [32, 16, 8], outputs: 1 },
    "4-128-1": { inputs: 4, hidden: [128], outputs: 1 },
    "4-16-8-3": { inputs: 4, hidden: [16, 8], outputs: 3 },
  };
  const DEFAULTS = {
    inputs: 4,
    hidden: [8],
    outputs: 1,
    activations: ["relu"], // of the hidden layers
    output: "linear",
    x: "", // the inputs' values, with commas; "" is evenly from -1 to 1
    seed: 42,
    layer: 1, // the chosen neuron; layer 0 is the input
    neuron: 1,
    stage: 0, // layers that the forward pass has reached
    theme: "auto",
  };

  const whole = (value, low, high, otherwise) =>
    M.clamp(Math.round(Number.isFinite(value) ? value : otherwise), low, high);

  // The state with everything in its range, whatever the address said.
  function check(state) {
    const inputs = whole(state.inputs, 1, LIMITS.inputs, DEFAULTS.inputs);
    const outputs = whole(state.outputs, 1, LIMITS.outputs, 1);
    const hidden = state.hidden.slice(0, LIMITS.layers).map((n) => whole(n, 1, LIMITS.neurons, 8));
    if (hidden.length === 0) hidden.push(8);
    const activations = hidden.map((_, i) => {
      const name = state.activations[i] ?? state.activations.at(-1);
      return HIDDEN.includes(name) ? name : "relu";
    });
    // Shares of one class say nothing: a single output has no softmax.
    const allowed = outputs === 1 ? ["linear", "sigmoid"] : OUTPUT;
    const output = allowed.includes(state.output) ? state.output : "linear";
    const sizes = [inputs, ...hidden, outputs];
    const layer = whole(state.layer, 0, sizes.length - 1, 1);
    return {
      ...state,
      inputs, outputs, hidden, activations, output, layer,
      neuron: whole(state.neuron, 1, sizes[layer], 1),
      seed: whole(state.seed, 0, 999999, DEFAULTS.seed),
      stage: M.clamp(Number.isFinite(state.stage) ? state.stage : 0, 0, sizes.length - 1),
    };
  }

  const sizesOf = ({ inputs, hidden, outputs }) => [inputs, ...hidden, outputs];

  // Weights and biases of each layer, and of all.
  function count(sizes) {
    const layers = sizes.slice(1).map((outputs, i) => ({ weights: sizes[i] * outputs, biases: outputs }));
    const sum = (key) => layers.reduce((total, layer) => total + layer[key], 0);
    const [weights, biases] = [sum("weights"), sum("biases")];
    return { layers, weights, biases, parameters: weights + biases };
  }

  // The numbers that enter the network: as given, filled up with 0; or evenly from -1 to 1.
  function inputValues({ inputs, x }) {
    const given = x.split(",").filter((part) => part.trim() !== "").map(Number);
    return Array.from({ length: inputs }, (_, i) => {
      if (given.length) return Number.isFinite(given[i]) ? given[i] : 0;
      const even = inputs === 1 ? 1 : -1 + (2 * i) / (inputs - 1);
      return inputs <= SHORT ? Number(even.toFixed(4)) : even;
    });
  }

  // The network with the weights that torch gives it after torch.manual_seed(seed).
  function makeNetwork(state) {
    return M.makeNetwork(sizesOf(state), [...state.activations, state.output], M.generator(state.seed));
  }

  // Everything about one neuron: its inputs, weights, bias, weighted sum and output.
  function neuronAt(network, x, layer, neuron) {
    const trace = M.forward(network, x);
    if (layer === 0) return { output: x[neuron - 1] };
    const { weights, biases, activation } = network[layer - 1];
    return {
      inputs: layer === 1 ? x : trace[layer - 2].a,
      weights: weights[neuron - 1],
      bias: biases[neuron - 1],
      activation,
      sum: trace[layer - 1].z[neuron - 1],
      output: trace[layer - 1].a[neuron - 1],
    };
  }

  // Which neurons of a layer are drawn: all, or the first ones and the last, with a gap (null) between.
  function drawn(neurons, room = 9) {
    const all = Array.from({ length: neurons }, (_, i) => i);
    return neurons <= room ? all : [...all.slice(0, room - 2), null, neurons - 1];
  }

  function pytorch(state) {
    const sizes = sizesOf(state);
    const activations = [...state.activations, state.output];
    const layers = activations.flatMap((name, i) => {
      const linear = `    nn.Linear(${sizes[i]}, ${sizes[i + 1]}),\n`;
      return name === "linear" ? [linear] : [linear, `    ${M.ACTIVATIONS[name].torch},\n`];
    });
    const x = state.x.trim() || state.inputs <= SHORT
      ? `torch.tensor([[${inputValues(state).map(M.python).join(", ")}]])`
      : `torch.linspace(-1, 1, ${state.inputs}).reshape(1, -1)`;
    return `import torch
from torch import nn

torch.manual_seed(${state.seed})
model = nn.Sequential(
${layers.join("")})
x = ${x}

print("parameters:", sum(p.numel() for p in model.parameters()))
with torch.no_grad():
    print("output:", model(x)[0].tolist())
`;
  }

  // The [network] part of capstone.toml. There one activation serves all hidden layers, and the output
  // has none, since the loss function has its own. Throws a sentence where that doesn't fit.
  function toml({ hidden, activations }) {
    const [name] = activations;
    if (activations.some((other) => other !== name)) {
      throw new Error("capstone.toml has one activation for all hidden layers: choose the same one in each.");
    }
    if (name === "linear") {
      throw new Error("capstone.toml needs an activation: without one, all layers collapse into one.");
    }
    return `[network]\nhidden = [${hidden.join(", ")}]\nactivation = "${name}"\n`;
  }

  // The state and a note from the text of a run's model.json. Throws a sentence.
  function fromModelJson(text) {
    let model;
    try {
      model = JSON.parse(text);
    } catch {
      throw new Error("this is not a JSON file. Choose model.json in a folder of runs/.");
    }
    const { outputs, hidden, activation, members = 1, pieces } = model?.architecture ?? {};
    // Numbers that are cut into pieces reach the first layer as more inputs.
    const inputs = model?.architecture?.inputs + (pieces?.column?.length ?? 0);
    const counts = Array.isArray(hidden) ? [inputs, outputs, ...hidden] : [NaN];
    if (!counts.every((n) => Number.isInteger(n) && n > 0) || !HIDDEN.includes(activation)) {
      throw new Error("it contains no architecture. Choose model.json in a folder of runs/.");
    }
    const { layers, neurons } = LIMITS;
    const tooBig = hidden.length < 1 || hidden.length > layers || Math.max(...hidden) > neurons
      || inputs > LIMITS.inputs || outputs > LIMITS.outputs;
    if (tooBig) {
      const shape = [inputs, ...hidden, outputs].join(", ");
      throw new Error(`[${shape}] does not fit this page: 1 to ${layers} hidden layers of at most ${neurons} neurons.`);
    }
    const ours = count([inputs, ...hidden, outputs]).parameters;
    const shown = ours.toLocaleString("en");
    const all = members > 1 ? `${members} members of ${shown} parameters each, one of them is drawn.` : `${shown} parameters.`;
    const note = model.parameters === undefined || model.parameters === members * ours
      ? all
      : `The file says ${model.parameters} parameters, this drawing has ${members * ours}: your network.py has other layers too.`;
    const changes = { inputs, outputs, hidden, activations: hidden.map(() => activation), output: "linear" };
    return { changes: { ...changes, x: "", layer: 1, neuron: 1, stage: 0 }, note };
  }

  return {
    HIDDEN, OUTPUT, LIMITS, PRESETS, DEFAULTS, check, sizesOf, count, inputValues,
    makeNetwork, neuronAt, drawn, pytorch, toml, fromModelJson,
  };
})();
if (typeof module !== "undefined") module.exports = Core;
