"use strict";
// What the training loop visualizer computes. The same state gives the same run, in torch too.
const Core = (() => {
  const M = typeof require === "function" ? require("../maths.js") : Maths;

  const [ROWS, BATCH] = [64, 16];
  const STEPS = ["zero", "forward", "loss", "backward", "update"];
  const PER_EPOCH = (ROWS / BATCH) * STEPS.length;
  const MOST = 500 * PER_EPOCH;

  // Each with its loss of one row and the loss's derivative; `o` are the outputs, `t` is the target.
  const PROBLEMS = {
    regression: {
      outputs: 1,
      torch: ["torch.sin(3 * inputs[:, :1]) - inputs[:, 1:]", "nn.MSELoss()"],
      target: ([a, b]) => Math.sin(3 * a) - b,
      loss: ([o], t) => (o - t) ** 2,
      slope: ([o], t) => [2 * (o - t)],
    },
    binary: {
      outputs: 1,
      torch: ["(inputs[:, :1] + inputs[:, 1:].square() > 0.3).float()", "nn.BCEWithLogitsLoss()"],
      target: ([a, b]) => (a + b * b > 0.3 ? 1 : 0),
      loss: ([o], t) => Math.max(o, 0) - o * t + Math.log1p(Math.exp(-Math.abs(o))),
      slope: ([o], t) => [M.ACTIVATIONS.sigmoid.f(o) - t],
    },
    multiclass: {
      outputs: 3,
      torch: ["(inputs.sum(dim=1) > -0.5).long() + (inputs.sum(dim=1) > 0.5).long()", "nn.CrossEntropyLoss()"],
      target: ([a, b]) => (a + b > -0.5 ? 1 : 0) + (a + b > 0.5 ? 1 : 0),
      loss: (o, t) => Math.log(o.reduce((sum, v) => sum + Math.exp(v - Math.max(...o)), 0)) + Math.max(...o) - o[t],
      slope: (o, t) => M.softmax(o).map((share, i) => share - (i === t ? 1 : 0)),
    },
  };

  const PRESETS = {
    works: {
      label: "It works", rate: 0.2, zero: true, deep: false,
      why: "The loss falls quickly, then slowly. It fluctuates because each batch contains different rows.",
    },
    high: {
      label: "Rate too high", rate: 30, zero: true, deep: false,
      why: "Each update jumps beyond the valley, so the loss jumps around or grows without limit. Lower the learning rate.",
    },
    low: {
      label: "Rate too low", rate: 0.001, zero: true, deep: false,
      why: "Each update points the right way but is tiny: after many epochs the loss has hardly changed. Raise the learning rate.",
    },
    vanishing: {
      label: "Vanishing gradient", rate: 0.2, zero: true, deep: true,
      why: "Six sigmoid layers: each multiplies the gradient by at most 0.25, so almost none reaches the first layers. Look at the "
        + "gradients of each layer. ReLU, fewer layers or better initial weights would help.",
    },
    forgotten: {
      label: "Forgotten zero_grad", rate: 0.2, zero: false, deep: false,
      why: "The old gradients are never removed, so each update repeats all the previous ones. The regression swings more and more widely "
        + "and explodes; with classes, whose gradients are bounded, it may even seem to work.",
    },
  };
  const DEFAULTS = {
    problem: "regression", rate: 0.2, zero: true, deep: false, seed: 0, steps: 0, weight: 1, speed: 4,
    history: [], every: 1, theme: "auto",
  };

  const within = (value, low, high, otherwise) => M.clamp(Number.isFinite(value) ? value : otherwise, low, high);

  // The state with everything in its range, whatever the address said.
  function check(state) {
    const problem = Object.hasOwn(PROBLEMS, state.problem) ? state.problem : "regression";
    const sizes = sizesOf({ ...state, problem });
    const weights = sizes.slice(1).reduce((sum, size, i) => sum + size * sizes[i], 0);
    const losses = state.history.map(Number).slice(0, 1000);
    return {
      ...state,
      problem,
      rate: within(state.rate, 0, 100, DEFAULTS.rate),
      seed: Math.round(within(state.seed, 0, 999999, 0)),
      steps: Math.round(within(state.steps, 0, MOST, 0)),
      weight: Math.round(within(state.weight, 1, weights, 1)),
      speed: within(state.speed, 1, 60, DEFAULTS.speed),
      history: losses.every(Number.isFinite) && losses.length % 2 === 0 ? losses : [],
      every: Math.round(within(state.every, 1, 1e6, 1)),
    };
  }

  function sizesOf({ deep, problem }) {
    return [2, ...(deep ? [8, 8, 8, 8, 8, 8] : [16]), PROBLEMS[problem].outputs];
  }

  // ---- The five steps ------------------------------------------------------------------------------

  // A run before its first step: rows, network, and gradients of 0.
  function start({ problem, deep, seed }) {
    const random = M.generator(seed);
    const inputs = M.matrix(ROWS, 2, () => Math.fround(random.uniform() * 2 - 1));
    const sizes = sizesOf({ deep, problem });
    const hidden = sizes.slice(2).map(() => (deep ? "sigmoid" : "tanh"));
    const network = M.makeNetwork(sizes, [...hidden, "linear"], random);
    const gradients = network.map(zeros);
    const targets = inputs.map(PROBLEMS[problem].target);
    return { problem, random, inputs, targets, network, gradients, before: network, losses: [], steps: 0 };
  }

  const zeros = ({ weights, biases }) => ({
    weights: weights.map((row) => row.map(() => 0)),
    biases: biases.map(() => 0),
  });

  // One of the five steps of the loop: the next one. Changes the run.
  function advance(run, { rate, zero }) {
    const { loss, slope } = PROBLEMS[run.problem];
    const step = STEPS[run.steps % STEPS.length];
    if (step === "zero") {
      if (run.steps % PER_EPOCH === 0) run.order = run.random.permutation(ROWS);
      const first = ((run.steps % PER_EPOCH) / STEPS.length) * BATCH;
      run.rows = run.order.slice(first, first + BATCH);
      if (zero) run.gradients = run.network.map(zeros);
      run.before = run.network;
    } else if (step === "forward") {
      run.traces = run.rows.map((row) => M.forward(run.network, run.inputs[row]));
    } else if (step === "loss") {
      const sum = run.rows.reduce((total, row, i) => total + loss(run.traces[i].at(-1).a, run.targets[row]), 0);
      run.losses.push(sum / BATCH);
    } else if (step === "backward") {
      run.rows.forEach((row, i) => {
        const slopes = slope(run.traces[i].at(-1).a, run.targets[row]).map((value) => value / BATCH);
        backward(run.network, run.inputs[row], run.traces[i], slopes, run.gradients);
      });
    } else {
      run.network = update(run.network, run.gradients, rate);
    }
    run.steps += 1;
  }

  // Backpropagation of one row: adds to the gradients. `slopes` are those of the loss by the outputs.
  function backward(network, x, trace, slopes, gradients) {
    let after = slopes;
    for (let k = network.length - 1; k >= 0; k--) {
      const { weights, activation } = network[k];
      const before = k ? trace[k - 1].a : x;
      const inner = after.map((slope, i) => slope * M.ACTIVATIONS[activation].d(trace[k].z[i]));
      inner.forEach((slope, i) => {
        gradients[k].biases[i] += slope;
        before.forEach((value, j) => { gradients[k].weights[i][j] += slope * value; });
      });
      after = before.map((_, j) => inner.reduce((sum, slope, i) => sum + slope * weights[i][j], 0));
    }
  }

  // Gradient descent: every weight goes against its gradient.
  function update(network, gradients, rate) {
    return network.map(({ weights, biases, activation }, k) => ({
      weights: weights.map((row, i) => row.map((w, j) => w - rate * gradients[k].weights[i][j])),
      biases: biases.map((b, i) => b - rate * gradients[k].biases[i]),
      activation,
    }));
  }

  // The run after so many steps: `run` goes on where it can, else a new one starts.
  function runTo(settings, run) {
    const key = JSON.stringify([settings.problem, settings.rate, settings.zero, settings.deep, settings.seed]);
    const current = run && run.key === key && run.steps <= settings.steps ? run : { ...start(settings), key };
    while (current.steps < settings.steps) advance(current, settings);
    return current;
  }

  // ---- What is shown of a run ----------------------------------------------------------------------

  const flat = (layers) => layers.flatMap(({ weights }) => weights.flat());

  // The mean size of the gradients of each layer's weights.
  const gradientSizes = ({ gradients }) => gradients.map((layer) => {
    const all = flat([layer]);
    return all.reduce((sum, value) => sum + Math.abs(value), 0) / all.length;
  });

  // Counts of the weights in equal bins, symmetric about 0.
  function histogram(network, bins = 21) {
    const all = flat(network).filter(Number.isFinite);
    const edge = Math.max(1, ...all.map(Math.abs));
    const counts = Array(bins).fill(0);
    for (const w of all) counts[Math.min(bins - 1, Math.floor(((w + edge) / (2 * edge)) * bins))] += 1;
    return { edge, counts };
  }

  // The mean loss of the last epoch's worth of batches, for each batch.
  function average(losses) {
    const size = ROWS / BATCH;
    return losses.map((_, i) => {
      const some = losses.slice(Math.max(0, i + 1 - size), i + 1);
      return some.reduce((a, b) => a + b) / some.length;
    });
  }

  // Where weight number n is: its layer, neuron and input, from 1.
  function whereIs(network, n) {
    let left = n - 1;
    for (const [layer, { weights }] of network.entries()) {
      const [rows, columns] = [weights.length, weights[0].length];
      if (left < rows * columns) {
        return { layer: layer + 1, neuron: Math.floor(left / columns) + 1, input: (left % columns) + 1 };
      }
      left -= rows * columns;
    }
    return undefined;
  }

  return {
    ROWS, BATCH, STEPS, PER_EPOCH, MOST, PROBLEMS, PRESETS, DEFAULTS, check, sizesOf, start, advance,
    backward, update, runTo, flat, gradientSizes, histogram, average, whereIs,
  };
})();
if (typeof module !== "undefined") module.exports = Core;
