"use strict";
// The visualizer's training against torch's, which test_sims_core.py wrote to the file $FIXTURES.
const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { test } = require("node:test");
const Core = require("../../../docs/sims/training-loop/core.js");
const Text = require("../../../docs/sims/training-loop/text.js");

const torch = JSON.parse(readFileSync(process.env.FIXTURES, "utf-8")).training;
const flat = (layers) => layers.flatMap(({ weights, biases }) => [weights.flat(), biases]);

function near(found, expected, what) {
  const gap = Math.abs(found - expected);
  assert.ok(gap <= 1e-5 * Math.max(1, Math.abs(expected)), `${what}: ${found}, torch has ${expected}`);
}

function allNear(found, expected, what) {
  assert.equal(found.length, expected.length);
  expected.forEach((part, i) => part.forEach((value, j) => near(found[i][j], value, `${what} ${i}, ${j}`)));
}

test("losses, gradients and updates are torch's, for each loss and with zero_grad forgotten", () => {
  assert.equal(torch.length, 12);
  for (const { settings, losses, gradients, weights } of torch) {
    const run = Core.start(settings);
    for (let i = 0; i < losses.length; i++) {
      const what = `${JSON.stringify(settings)} iteration ${i + 1}`;
      for (let step = 0; step < 4; step++) Core.advance(run, settings);
      near(run.losses.at(-1), losses[i], what);
      allNear(flat(run.gradients), gradients[i], `${what}, gradient`);
      Core.advance(run, settings);
      allNear(flat(run.network), weights[i], `${what}, weight`);
    }
  }
});

test("only the last of the five steps changes weights, only the first and fourth gradients", () => {
  const run = Core.start(Core.DEFAULTS);
  for (let i = 0; i < 15; i++) {
    const before = JSON.stringify([run.network, run.gradients]);
    const [network, gradients] = JSON.parse(before);
    Core.advance(run, Core.DEFAULTS);
    assert.equal(JSON.stringify(run.network) !== JSON.stringify(network), i % 5 === 4);
    const changed = JSON.stringify(run.gradients) !== JSON.stringify(gradients);
    assert.equal(changed, i % 5 === 3 || (i % 5 === 0 && i > 0), `step ${i}`);
  }
});

test("a step back and forth gives the same run", () => {
  const settings = { ...Core.DEFAULTS, steps: 137 };
  const there = Core.runTo(settings);
  const known = JSON.stringify([there.network, there.gradients, there.losses]);
  const back = Core.runTo({ ...settings, steps: 136 }, there);
  assert.equal(back.steps, 136);
  const again = Core.runTo(settings, back);
  assert.equal(JSON.stringify([again.network, again.gradients, again.losses]), known);
});

test("each preset does what it says, in the regression", () => {
  const after = Object.fromEntries(Object.entries(Core.PRESETS).map(([name, preset]) => {
    const run = Core.runTo({ ...Core.DEFAULTS, ...preset, steps: 40 * Core.PER_EPOCH });
    return [name, { run, losses: Core.average(run.losses) }];
  }));
  const part = (name) => after[name].losses.at(-1) / after[name].losses[3];
  assert.ok(part("works") < 0.25);
  assert.ok(!Number.isFinite(part("high")));
  assert.ok(part("low") > 0.6 && part("low") < 1);
  assert.ok(part("vanishing") > 0.8);
  const sizes = Core.gradientSizes(after.vanishing.run);
  assert.ok(sizes[0] < sizes.at(-1) / 1000);
  assert.ok(!(part("forgotten") < 10));
});

test("the histogram counts every weight, and a weight is found by its number", () => {
  const { network } = Core.start(Core.DEFAULTS);
  const { counts, edge } = Core.histogram(network);
  assert.equal(counts.reduce((a, b) => a + b), 48);
  assert.ok(edge >= Math.max(...Core.flat(network).map(Math.abs)));
  Core.flat(network).forEach((weight, i) => {
    const { layer, neuron, input } = Core.whereIs(network, i + 1);
    assert.equal(network[layer - 1].weights[neuron - 1][input - 1], weight);
  });
});

test("a history.csv is read, thinned if long, and judged", () => {
  const file = (rows) => ["epoch,train_loss,validation_loss,learning_rate,seconds", ...rows].join("\r\n");
  const short = Text.fromHistoryCsv(file(["1,0.9,0.8,0.1,1", "2,0.5,0.4,0.1,1", "3,0.3,0.6,0.1,1"]));
  assert.deepEqual(short, { history: [0.9, 0.8, 0.5, 0.4, 0.3, 0.6], every: 1 });
  const { best, told } = Text.readHistory(short);
  assert.deepEqual(best, [2, 0.4]);
  assert.match(told, /memorise/);
  const long = Text.fromHistoryCsv(file(Array.from({ length: 600 }, (_, i) => `${i + 1},1,${600 - i},0.1,1`)));
  assert.equal(long.every, 3);
  assert.deepEqual(Text.readHistory(long).best, [600, 1]);
  assert.throws(() => Text.fromHistoryCsv("a,b\n1,2"), /first line lacks train_loss/);
  assert.throws(() => Text.fromHistoryCsv(file(["1,0.5,"])), /line 2 has no loss/);
  assert.throws(() => Text.fromHistoryCsv(file([])), /no epoch/);
});

test("whatever the address says ends in range", () => {
  const wild = { ...Core.DEFAULTS, problem: "constructor", rate: NaN, steps: 1e99, weight: 1e9, history: ["1", "x"] };
  const { problem, rate, steps, weight, history } = Core.check(wild);
  assert.deepEqual([problem, rate, steps, weight, history], ["regression", 0.2, Core.MOST, 48, []]);
});
