"use strict";
// The explorer's numbers against torch's, which test_sims_core.py wrote to the file $FIXTURES.
const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { test } = require("node:test");
const Maths = require("../../../docs/sims/maths.js");
const Core = require("../../../docs/sims/activation-functions/core.js");

const torch = JSON.parse(readFileSync(process.env.FIXTURES, "utf-8")).activations;

function near(found, expected, what) {
  const gap = Math.abs(found - expected);
  assert.ok(gap <= 1e-5 * Math.max(1, Math.abs(expected)), `${what}: ${found}, torch has ${expected}`);
}

test("every function and its derivative are torch's", () => {
  assert.deepEqual(Object.keys(torch.f).sort(), Object.keys(Maths.ACTIVATIONS).sort());
  for (const [name, { f, d }] of Object.entries(Maths.ACTIVATIONS)) {
    torch.x.forEach((x, i) => {
      near(f(x), torch.f[name][i], `${name}(${x})`);
      near(d(x), torch.d[name][i], `${name}'(${x})`);
    });
  }
});

test("softmax of large scores doesn't overflow", () => {
  Maths.softmax([1000, 999]).forEach((share, i) => near(share, torch.softmax[i], `share ${i}`));
});

test("random numbers are those after torch.manual_seed", () => {
  const random = Maths.generator(torch.seed);
  assert.deepEqual(torch.rand.map(() => random.uniform()), torch.rand);
  assert.deepEqual(random.permutation(torch.permutation.length), torch.permutation);
});

test("the product of derivatives through a chain is torch's gradient", () => {
  for (const { name, start, weight, gradients } of torch.chains) {
    const found = Core.chain(name, { start, weight, layers: gradients.length });
    found.forEach((gradient, i) => near(gradient, gradients[i], `${name} through ${i + 1} layers`));
  }
});

test("a shaded region is just where the derivative is small, and nowhere else", () => {
  for (const name of Core.NAMES) {
    for (let x = -4.995; x < 5; x += 0.01) {
      const small = Math.abs(Maths.ACTIVATIONS[name].d(x)) < Core.VANISHED;
      const inside = Core.regions(name).filter(({ from, to }) => from < x && x < to);
      assert.equal(inside.length, Number(small), `${name} at ${x}`);
      if (small) assert.equal(inside[0].kind === "zero", Maths.ACTIVATIONS[name].d(x) === 0);
    }
  }
});

test("linear layers collapse into one line, and one ReLU prevents that", () => {
  let bent = 0;
  for (let seed = 0; seed < 50; seed++) {
    const { slope, intercept } = Core.collapse(Core.stack(seed, false));
    for (const [x, y] of Core.stackLines(Core.stack(seed, false), 3)[0]) {
      near(slope * x + intercept, y, `seed ${seed} at ${x}`);
    }
    bent += Core.nearestLine(Core.stackLines(Core.stack(seed, true), 3)[0]).gap > 0.01;
  }
  assert.ok(bent > 40, `only ${bent} of 50 are bent`);
});

test("whatever the address says ends in range", () => {
  const wild = { ...Core.DEFAULTS, x: NaN, low: 9, high: 3, numbers: -4, stage: 1e9, layers: 0, on: ["x", "relu"] };
  const { x, low, high, numbers, stage, layers, on } = Core.check(wild);
  assert.deepEqual([x, low, high, numbers, stage, layers, on], [1.5, 9, 9.5, 0, 4, 1, ["relu"]]);
});
