"use strict";
// The builder's numbers against torch's, which test_sims_core.py wrote to the file $FIXTURES.
const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { test } = require("node:test");
const Maths = require("../../../docs/sims/maths.js");
const Core = require("../../../docs/sims/network-architecture/core.js");

const torch = JSON.parse(readFileSync(process.env.FIXTURES, "utf-8")).architectures;

function stateOf(sizes, activation) {
  const hidden = sizes.slice(1, -1);
  return Core.check({
    ...Core.DEFAULTS,
    inputs: sizes[0],
    hidden,
    outputs: sizes.at(-1),
    activations: hidden.map(() => activation),
    output: "softmax",
    seed: 7,
  });
}

test("weights and biases are counted as torch counts them", () => {
  for (const { sizes, weights, biases } of torch) {
    const found = Core.count(sizes);
    assert.deepEqual([found.weights, found.biases, found.parameters], [weights, biases, weights + biases]);
  }
});

test("the presets have 49, 833, 769 and 243 parameters", () => {
  const counts = Object.values(Core.PRESETS).map((preset) => Core.count(Core.sizesOf(preset)).parameters);
  assert.deepEqual(counts, [49, 833, 769, 243]);
});

test("each neuron's output is torch's, with torch's own weights", () => {
  for (const { sizes, activation, traced } of torch) {
    const state = stateOf(sizes, activation);
    const network = Core.makeNetwork({ ...state, output: "softmax" });
    const x = Core.inputValues(state);
    traced.forEach((outputs, layer) => outputs.forEach((expected, i) => {
      const { output } = Core.neuronAt(network, x, layer, i + 1);
      assert.ok(Math.abs(output - expected) < 5e-5, `${sizes} layer ${layer}: ${output}, torch ${expected}`);
    }));
  }
});

test("an equation's parts give its result", () => {
  const state = stateOf([4, 16, 8, 3], "tanh");
  const part = Core.neuronAt(Core.makeNetwork(state), Core.inputValues(state), 2, 5);
  assert.equal(part.weights.length, 16);
  const sum = part.weights.reduce((total, weight, i) => total + weight * part.inputs[i], part.bias);
  assert.ok(Math.abs(sum - part.sum) < 1e-12);
  assert.equal(Math.tanh(part.sum), part.output);
});

test("large layers are drawn with a gap, small ones whole", () => {
  assert.deepEqual(Core.drawn(3), [0, 1, 2]);
  assert.deepEqual(Core.drawn(128), [0, 1, 2, 3, 4, 5, 6, null, 127]);
});

test("input values come from the reader, or evenly", () => {
  assert.deepEqual(Core.inputValues({ inputs: 3, x: "" }), [-1, 0, 1]);
  assert.deepEqual(Core.inputValues({ inputs: 3, x: " 0.5, ,x" }), [0.5, 0, 0]);
});

test("capstone.toml takes one activation", () => {
  assert.equal(
    Core.toml({ hidden: [64, 32], activations: ["relu", "relu"] }),
    '[network]\nhidden = [64, 32]\nactivation = "relu"\n',
  );
  assert.throws(() => Core.toml({ hidden: [4, 4], activations: ["relu", "tanh"] }), /choose the same/);
  assert.throws(() => Core.toml({ hidden: [4], activations: ["linear"] }), /collapse/);
});

test("a foreign model.json is refused in one sentence", () => {
  const hidden = (sizes) => JSON.stringify({
    architecture: { inputs: 3, outputs: 1, hidden: sizes, activation: "relu" }, parameters: 1,
  });
  assert.throws(() => Core.fromModelJson("no"), /not a JSON file/);
  for (const text of ["null", "[]", "{}", hidden([0]), hidden("8"), hidden([1.5])]) {
    assert.throws(() => Core.fromModelJson(text), /no architecture/, text);
  }
  assert.throws(() => Core.fromModelJson(hidden([256])), /does not fit this page/);
  assert.throws(() => Core.fromModelJson(hidden([])), /does not fit this page/);
  assert.match(Core.fromModelJson(hidden([8])).note, /your network.py has other layers too/);
});

test("whatever the address says ends in range", () => {
  const wild = { ...Core.DEFAULTS, inputs: -3, hidden: [NaN, 9999], outputs: 1, output: "softmax", layer: 9, neuron: 9 };
  const { inputs, hidden, output, activations, layer, neuron } = Core.check(wild);
  assert.deepEqual(
    [inputs, hidden, output, activations, layer, neuron],
    [1, [8, 128], "linear", ["relu", "relu"], 3, 1],
  );
});
