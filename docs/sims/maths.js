"use strict";
// What the three sims compute with: activation functions, torch's random numbers, dense networks.
// A classic script, so that it works from file://; Node loads it too, for the tests.
const Maths = (() => {
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));

  // f and its derivative d, of one number. torch takes 0 as ReLU's derivative at 0.
  const ACTIVATIONS = {
    linear: { label: "Linear", torch: "nn.Identity()", f: (x) => x, d: () => 1 },
    step: { label: "Step", f: (x) => (x >= 0 ? 1 : 0), d: () => 0 },
    sigmoid: {
      label: "Sigmoid",
      torch: "nn.Sigmoid()",
      f: sigmoid,
      d: (x) => sigmoid(x) * sigmoid(-x),
    },
    tanh: { label: "Tanh", torch: "nn.Tanh()", f: Math.tanh, d: (x) => 1 - Math.tanh(x) ** 2 },
    relu: {
      label: "ReLU",
      torch: "nn.ReLU()",
      f: (x) => Math.max(0, x),
      d: (x) => (x > 0 ? 1 : 0),
    },
    leaky_relu: {
      label: "Leaky ReLU",
      torch: "nn.LeakyReLU()",
      f: (x) => (x > 0 ? x : 0.01 * x),
      d: (x) => (x > 0 ? 1 : 0.01),
    },
    silu: {
      label: "SiLU",
      torch: "nn.SiLU()",
      f: (x) => x * sigmoid(x),
      d: (x) => sigmoid(x) * (1 + x * sigmoid(-x)),
    },
    // Softmax needs several numbers: of one number alone it is always 1. So its curve is of [x, 0].
    softmax: {
      label: "Softmax",
      torch: "nn.Softmax(dim=1)",
      f: (x) => softmax([x, 0])[0],
      d: (x) => softmax([x, 0])[0] * softmax([x, 0])[1],
    },
  };

  function softmax(values) {
    const largest = Math.max(...values); // subtracted, so that exp doesn't overflow
    const powers = values.map((value) => Math.exp(value - largest));
    const total = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / total);
  }

  // All outputs of a layer.
  const activate = (name, z) => (name === "softmax" ? softmax(z) : z.map(ACTIVATIONS[name].f));

  // torch's generator on the CPU, a Mersenne Twister: the numbers are those after torch.manual_seed(seed).
  function generator(seed) {
    const state = new Uint32Array(624);
    state[0] = seed;
    for (let i = 1; i < 624; i++) {
      state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    }
    let used = 624;

    function twist() {
      for (let i = 0; i < 624; i++) {
        const bits = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
        state[i] = state[(i + 397) % 624] ^ (bits >>> 1) ^ (bits & 1 ? 0x9908b0df : 0);
      }
      used = 0;
    }

    function bits32() {
      if (used === 624) twist();
      let y = state[used++];
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      return (y ^ (y >>> 18)) >>> 0;
    }

    return {
      // torch.rand and Tensor.uniform_: 24 bits, in single precision.
      uniform(low = 0, high = 1) {
        const [from, to] = [Math.fround(low), Math.fround(high)];
        const share = (bits32() & 0xffffff) / 2 ** 24;
        return Math.fround(Math.fround(share * Math.fround(to - from)) + from);
      },
      // torch.randperm
      permutation(count) {
        const order = Array.from({ length: count }, (_, i) => i);
        for (let i = 0; i < count - 1; i++) {
          const other = i + (bits32() % (count - i));
          [order[i], order[other]] = [order[other], order[i]];
        }
        return order;
      },
    };
  }

  // A matrix of rows x columns, filled row by row.
  function matrix(rows, columns, value) {
    return Array.from({ length: rows }, () => Array.from({ length: columns }, value));
  }

  // Layers as nn.Linear makes them: weights and biases uniform within 1 / sqrt(inputs).
  function makeNetwork(sizes, activations, random) {
    return activations.map((activation, i) => {
      const [inputs, outputs] = [sizes[i], sizes[i + 1]];
      const bound = 1 / Math.sqrt(inputs);
      const weights = matrix(outputs, inputs, () => random.uniform(-bound, bound));
      const [biases] = matrix(1, outputs, () => random.uniform(-bound, bound));
      return { weights, biases, activation };
    });
  }

  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

  // Forward propagation of one row x. For each layer: its weighted sums z and its outputs a.
  function forward(network, x) {
    let a = x;
    return network.map(({ weights, biases, activation }) => {
      const z = weights.map((row, i) => dot(row, a) + biases[i]);
      a = activate(activation, z);
      return { z, a };
    });
  }

  // Python needs a point in some numbers: 1e21 and 0.5 are fine, 3 would be a whole number.
  const python = (number) => (Number.isInteger(number) ? number.toFixed(1) : String(number));

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  return { ACTIVATIONS, softmax, activate, generator, matrix, makeNetwork, dot, forward, python, clamp };
})();
if (typeof module !== "undefined") module.exports = Maths;
