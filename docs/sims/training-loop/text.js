"use strict";
// Text in and out of the training loop visualizer: a run's history.csv, and the code to copy. Pure.
const Text = (() => {
  const C = typeof require === "function" ? require("./core.js") : Core;
  const M = typeof require === "function" ? require("../maths.js") : Maths;

  const MOST_EPOCHS = 250; // so many fit into the address; of more, every second, third ... is kept

  // { history: [train, validation, train, validation ...], every } from the text of a history.csv.
  // Throws a sentence.
  function fromHistoryCsv(text) {
    const [head, ...lines] = text.trim().split(/\r?\n/).map((line) => line.split(","));
    const places = ["train_loss", "validation_loss"].map((name) => head.indexOf(name));
    if (places.includes(-1)) {
      throw new Error("its first line lacks train_loss or validation_loss. Choose history.csv in a folder of runs/.");
    }
    const epochs = lines.map((cells, i) => places.map((place) => {
      const value = cells[place] ? Number(cells[place]) : NaN;
      if (!Number.isFinite(value)) throw new Error(`line ${i + 2} has no loss.`);
      return Number(value.toPrecision(5));
    }));
    if (epochs.length === 0) throw new Error("it contains no epoch.");
    const every = Math.ceil(epochs.length / MOST_EPOCHS);
    const kept = epochs.filter((_, i) => i % every === every - 1);
    return { history: kept.flat(), every };
  }

  // The losses as points [epoch, loss], and a sentence about them.
  function readHistory({ history, every }) {
    const points = (offset) => history.filter((_, i) => i % 2 === offset).map((loss, i) => [(i + 1) * every, loss]);
    const [train, validation] = [points(0), points(1)];
    const best = validation.reduce((a, b) => (b[1] < a[1] ? b : a), [0, Infinity]);
    const last = validation.at(-1) ?? best;
    const lower = train.length > 1 && train.at(-1)[1] < train[0][1];
    const told = last[1] > best[1] * 1.02 && lower
      ? "After that the validation loss rises: the network starts to memorise the training rows."
      : "It does not clearly rise after that.";
    return { train, validation, best, told };
  }

  // The same training in torch, as far as it has come.
  function pytorch({ problem, rate, zero, deep, seed, steps, weight }) {
    const sizes = C.sizesOf({ problem, deep });
    const [targets, loss] = C.PROBLEMS[problem].torch;
    const between = deep ? "nn.Sigmoid(), " : "nn.Tanh(), ";
    const layers = sizes.slice(1).map((size, i) => `    ${i ? between : ""}nn.Linear(${sizes[i]}, ${size}),\n`);
    const updates = Math.floor(steps / C.STEPS.length);
    return `import torch
from torch import nn

torch.manual_seed(${seed})
inputs = torch.rand(${C.ROWS}, 2) * 2 - 1
targets = ${targets}

network = nn.Sequential(
${layers.join("")})
loss_function = ${loss}
optimizer = torch.optim.SGD(network.parameters(), lr=${M.python(rate)})

for iteration in range(${updates}):
    batch = iteration % ${C.ROWS / C.BATCH}
    if batch == 0:  # a new epoch, in a new order
        batches = torch.randperm(${C.ROWS}).split(${C.BATCH})
    rows = batches[batch]

    ${zero ? "optimizer.zero_grad()" : "# optimizer.zero_grad() is forgotten, so gradients add up"}
    outputs = network(inputs[rows])
    loss = loss_function(outputs, targets[rows])
    loss.backward()
    optimizer.step()
    print(f"iteration {iteration + 1}: loss {loss.item():.6f}")

weights = torch.cat([p.flatten() for p in network.parameters() if p.dim() == 2])
print(f"weight ${weight}: {weights[${weight - 1}].item():.6f}")
`;
  }

  return { fromHistoryCsv, readHistory, pytorch };
})();
if (typeof module !== "undefined") module.exports = Text;
