"use strict";
// What the activation function explorer computes. Pure: the same arguments give the same results.
const Core = (() => {
  const M = typeof require === "function" ? require("../maths.js") : Maths;

  const NAMES = ["linear", "step", "sigmoid", "tanh", "relu", "leaky_relu", "softmax"];
  const FORMULAS = {
    linear: "x",
    step: "1 if x ≥ 0, else 0",
    sigmoid: "1 / (1 + e⁻ˣ)",
    tanh: "(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)",
    relu: "max(0, x)",
    leaky_relu: "x if x > 0, else 0.01 x",
    softmax: "eˣ / (eˣ + e⁰)",
  };
  const VANISHED = 0.05; // a derivative below this counts as vanished
  const RANGE = [-5, 5];
  const DEFAULTS = {
    on: ["sigmoid", "tanh", "relu"],
    slopes: true,
    shade: true,
    x: 1.5,
    low: -1.5,
    high: 2.5,
    bend: false,
    numbers: 1,
    stage: 0,
    layers: 10,
    start: 0.5,
    weight: 1,
    theme: "auto",
  };

  const number = (value, otherwise) => (Number.isFinite(value) ? value : otherwise);
  const within = (value, low, high, otherwise) => M.clamp(number(value, otherwise), low, high);

  // The state with everything in its range, whatever the address said.
  function check(state) {
    const low = within(state.low, -20, 20, DEFAULTS.low);
    const high = within(state.high, -20, 20, DEFAULTS.high);
    return {
      ...state,
      on: NAMES.filter((name) => state.on.includes(name)),
      x: within(state.x, ...RANGE, DEFAULTS.x),
      low,
      high: high > low ? high : low + 0.5,
      numbers: Math.round(within(state.numbers, 0, 999, DEFAULTS.numbers)),
      stage: within(state.stage, 0, 4, 0),
      layers: Math.round(within(state.layers, 1, 30, DEFAULTS.layers)),
      start: within(state.start, -5, 5, DEFAULTS.start),
      weight: within(state.weight, -5, 5, DEFAULTS.weight),
    };
  }

  // Points of f or of its derivative; a jump is two points at nearly the same x.
  function curve(name, slope = false, count = 400) {
    const { f, d } = M.ACTIVATIONS[name];
    const [low, high] = RANGE;
    const xs = Array.from({ length: count + 1 }, (_, i) => low + ((high - low) * i) / count);
    xs.push(-1e-9, 1e-9);
    return xs.sort((a, b) => a - b).map((x) => [x, slope ? d(x) : f(x)]);
  }

  // Where learning stops: { from, to, kind } with kind "zero" or "vanishing" (|f'| < VANISHED).
  function regions(name) {
    const [low, high] = RANGE;
    if (name === "step") return [{ from: low, to: high, kind: "zero" }];
    if (name === "relu") return [{ from: low, to: 0, kind: "zero" }];
    if (name === "leaky_relu") return [{ from: low, to: 0, kind: "vanishing" }];
    // sigmoid' = s (1 - s), tanh' = 1 - t². Solved for x where they are VANISHED.
    const s = (1 + Math.sqrt(1 - 4 * VANISHED)) / 2;
    const bell = Math.log(s / (1 - s));
    const edge = { sigmoid: bell, softmax: bell, tanh: Math.atanh(Math.sqrt(1 - VANISHED)) }[name];
    if (edge === undefined) return [];
    return [[low, -edge], [edge, high]].map(([from, to]) => ({ from, to, kind: "vanishing" }));
  }

  // ---- Stacked layers: one input, two hidden layers of two neurons, one output ---------------------

  // With `bend` there is a ReLU after the first layer. Weights are uniform within 1.5, biases within 1.
  function stack(seed, bend) {
    const random = M.generator(seed);
    return [[1, 2], [2, 2], [2, 1]].map(([inputs, outputs], i) => ({
      weights: M.matrix(outputs, inputs, () => random.uniform(-1.5, 1.5)),
      biases: M.matrix(1, outputs, () => random.uniform(-1, 1))[0],
      activation: bend && i === 0 ? "relu" : "linear",
    }));
  }

  // All layers without activations multiplied out: y = slope x + intercept.
  function collapse(layers) {
    let slope = [1];
    let intercept = [0];
    for (const { weights, biases } of layers) {
      slope = weights.map((row) => M.dot(row, slope));
      intercept = weights.map((row, i) => M.dot(row, intercept) + biases[i]);
    }
    return { slope: slope[0], intercept: intercept[0] };
  }

  // The lines to show after `stage` layers (0 is the input itself), each a list of points.
  function stackLines(layers, stage) {
    const xs = Array.from({ length: 201 }, (_, i) => -5 + i / 20);
    const outputs = xs.map((x) => {
      const trace = M.forward(layers, [x]);
      return stage === 0 ? [x, x] : trace[Math.min(stage, layers.length) - 1].a;
    });
    return outputs[0].map((_, neuron) => xs.map((x, i) => [x, outputs[i][neuron]]));
  }

  // The straight line nearest to the points, by least squares, and how far off it is at most.
  function nearestLine(points) {
    const mean = (values) => values.reduce((a, b) => a + b) / values.length;
    const [mx, my] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
    const over = mean(points.map(([x, y]) => (x - mx) * (y - my)));
    const slope = over / mean(points.map(([x]) => (x - mx) ** 2));
    const intercept = my - slope * mx;
    const gap = Math.max(...points.map(([x, y]) => Math.abs(y - slope * x - intercept)));
    return { slope, intercept, gap };
  }

  // ---- A chain of layers with one neuron each: h = f(weight * h), n times --------------------------

  // The derivative of the chain after 1, 2, ... n layers with respect to its start.
  function chain(name, { start, weight, layers }) {
    const { f, d } = M.ACTIVATIONS[name];
    const products = [];
    for (let h = start, product = 1, i = 0; i < layers; i++) {
      product *= weight * d(weight * h);
      h = f(weight * h);
      products.push(product);
    }
    return products;
  }

  const TORCH = {
    linear: "lambda x: x",
    step: "lambda x: (x >= 0) + 0 * x",
    sigmoid: "torch.sigmoid",
    tanh: "torch.tanh",
    relu: "torch.relu",
    leaky_relu: "nn.functional.leaky_relu",
    softmax: "lambda x: torch.softmax(torch.stack([x, 0 * x]), dim=0)[0]",
  };

  function pytorch({ on, x, bend, numbers, layers, start, weight }) {
    const relu = bend ? "nn.ReLU(), " : "";
    const tensor = (value) => `torch.tensor(${M.python(value)}, dtype=torch.float64, requires_grad=True)`;
    return `import torch
from torch import nn

functions = {
${on.map((name) => `    "${M.ACTIVATIONS[name].label}": ${TORCH[name]},\n`).join("")}}

# Each function and its derivative at x, by automatic differentiation.
x = ${tensor(x)}
for name, function in functions.items():
    y = function(x)
    (slope,) = torch.autograd.grad(y, x)
    print(f"{name}: f(x) = {y.item():.6f}, f'(x) = {slope.item():.6f}")

# The gradient through ${layers} layers of one neuron with weight ${weight}.
for name, function in functions.items():
    start = ${tensor(start)}
    h = start
    for _ in range(${layers}):
        h = function(${M.python(weight)} * h)
    (product,) = torch.autograd.grad(h, start)
    print(f"{name}: gradient through ${layers} layers = {product.item():.6e}")

# Three linear layers${bend ? ", a ReLU after the first" : ""}. Are they one straight line?
stack = nn.Sequential(nn.Linear(1, 2), ${relu}nn.Linear(2, 2), nn.Linear(2, 1))
torch.manual_seed(${numbers})
with torch.no_grad():
    for layer in stack:
        if isinstance(layer, nn.Linear):  # other numbers than nn.Linear's own
            layer.weight.copy_(torch.rand(layer.weight.shape) * 3 - 1.5)
            layer.bias.copy_(torch.rand(layer.bias.shape) * 2 - 1)
    y = stack(torch.linspace(-5, 5, 201).reshape(-1, 1)).flatten()
print(f"from x = -5 to 5, y goes from {y[0].item():.5f} to {y[-1].item():.5f}")
# On a straight line y grows by the same amount at each step.
print("one straight line" if y.diff().diff().abs().max() < 1e-4 else "bent")
`;
  }

  return {
    NAMES, FORMULAS, DEFAULTS, VANISHED, RANGE, check, curve, regions,
    stack, collapse, stackLines, nearestLine, chain, pytorch,
  };
})();
if (typeof module !== "undefined") module.exports = Core;
