// The page of `capstone serve`: a form made from the model's columns, the answer, and its reason.
"use strict";

const $ = (id) => document.getElementById(id);
let model = null;
let key = "";

// What nobody sees, or what turns the direction of writing: as `printable` of core/text.py.
const UNSEEN = /(?! )[\p{C}\p{Z}\u034f\u115f\u1160\u2800\u3164\uffa0]/gu;

/** A name or value as it is, with what can't be seen as Python writes it: \n, \x1b, \u202e. */
function shown(text) {
  const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  return String(text).replace(UNSEEN, (letter) => {
    const number = letter.codePointAt(0).toString(16);
    if (letter in short) return short[letter];
    if (number.length < 3) return `\\x${number.padStart(2, "0")}`;
    return number.length < 5 ? `\\u${number.padStart(4, "0")}` : `\\U${number.padStart(8, "0")}`;
  });
}

/** An element with properties and children; text stays text, whatever it holds. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  if ("textContent" in properties) element.textContent = shown(properties.textContent);
  element.append(...children);
  return element;
}

const choose = (choice) => make("option", { value: choice, textContent: choice });

/** What people call each metric. */
const METRICS = {
  r2: "R²", rmse: "RMSE", mae: "MAE", roc_auc: "ROC AUC", pr_auc: "PR AUC",
  accuracy: "accuracy", f1: "F1", log_loss: "log loss", brier: "Brier score",
};

/** A number that a person can read: 1,766,300 rather than 1766300.2512. */
function short(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 1e12) return value.toExponential(3);
  if (Math.abs(value) >= 1000) return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
  return String(Number(value.toPrecision(4)));
}

/** A score as the report writes it. */
const score = (value) => (value === null || Math.abs(value) >= 1000 ? short(value) : value.toFixed(3));

const percent = (share) => `${(share * 100).toFixed(1)}%`;

/** Ask the service; what it refuses becomes an error with its sentence. */
async function ask(path, body) {
  const headers = key ? { "X-API-Key": key } : {};
  const options = { headers };
  if (body) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    headers["Content-Type"] = "application/json";
  }
  const answer = await fetch(path, options).catch(() => {
    throw new Error("The service does not answer. Is `capstone serve` still running?");
  });
  const content = await answer.json();
  if (answer.ok) return content;
  throw Object.assign(new Error(content.detail), { status: answer.status, errors: content.errors || [] });
}

/** The control for one column. */
function control(field) {
  const { id } = field;
  const unknown = make("option", { value: "", textContent: "not known" });
  let input;
  if (field.kind === "boolean") {
    input = make("select", {}, unknown, new Option("yes", "true"), new Option("no", "false"));
  } else if (field.kind === "category" && field.complete) {
    input = make("select", {}, unknown, ...field.choices.map(choose));
  } else if (field.kind === "number") {
    input = make("input", { type: "number", step: "any" });
  } else {
    const plainDate = field.kind === "date" && /^\d{4}-\d\d-\d\d$/.test(field.example);
    input = make("input", { type: plainDate ? "date" : "text" });
  }
  input.id = id;
  input.value = String(field.example ?? "");
  input.setAttribute("aria-describedby", `${id}-hint ${id}-wrong`);
  const box = make("div", { className: "field" });
  box.append(make("label", { htmlFor: id, textContent: field.name }), input);
  if (field.choices && !field.complete) {
    input.setAttribute("list", `${id}-list`);
    box.append(make("datalist", { id: `${id}-list` }, ...field.choices.map(choose)));
  }
  box.append(make("p", { className: "hint", id: `${id}-hint`, textContent: hint(field) }));
  box.append(make("p", { className: "wrong", id: `${id}-wrong` }));
  return box;
}

function hint(field) {
  if (field.kind === "number") return `training saw ${field.low ?? "-∞"} to ${field.high ?? "∞"}`;
  if (field.kind === "date") return `training saw ${field.low.slice(0, 10)} to ${field.high.slice(0, 10)}`;
  if (field.choices && !field.complete) return "one of the words from training, or a new one";
  return "";
}

/** The form as a row of the API. */
function rowOfForm() {
  const row = {};
  for (const field of model.form) {
    const { value } = $(field.id);
    const read = { number: Number, boolean: (text) => text === "true" }[field.kind] || String;
    row[field.name] = value === "" ? null : read(value);
  }
  return row;
}

/** Mark the fields that the service, or the browser itself, could not read. Returns how many. */
function markWrong(errors) {
  let first = null;
  for (const field of model.form) {
    const input = $(field.id);
    const found = errors.find((error) => error.place === `rows[0].${field.name}`);
    const message = input.validity.badInput ? "is no number" : found ? found.message : "";
    input.setAttribute("aria-invalid", String(message !== ""));
    $(`${field.id}-wrong`).textContent = shown(message);
    if (message && !first) first = input;
  }
  if (first) first.focus();
  return first !== null;
}

async function predict(event) {
  event.preventDefault();
  const button = event.target.querySelector("button");
  if (button.getAttribute("aria-disabled") === "true") return;
  $("trouble").textContent = "";
  if (markWrong([])) return;
  const body = { rows: [rowOfForm()] };
  button.setAttribute("aria-disabled", "true");
  try {
    showAnswer(await ask("v1/predict", body));
    $("answer-title").scrollIntoView({ block: "nearest" }); // on a phone it is far below
    $("why").replaceChildren(make("p", { className: "hint", textContent: "Looking for the reasons …" }));
    showReasons(await ask("v1/explain", body));
  } catch (error) {
    $("answer").replaceChildren(make("p", { className: "hint", textContent: "No answer to these values." }));
    $("why").replaceChildren();
    if (!markWrong(error.errors || [])) $("trouble").textContent = shown(error.message);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

function showAnswer(content) {
  const answer = content.predictions[0];
  const parts = [];
  if ("value" in answer) {
    parts.push(make("p", { className: "big", textContent: `${model.target}: ${short(answer.value)}` }));
    const range = `${short(answer.low)} to ${short(answer.high)}`;
    parts.push(make("p", { textContent: `Nine of ten true values lie in such an interval: ${range}.` }));
  } else {
    parts.push(make("p", { className: "big", textContent: `${model.target}: ${answer.class}` }));
    const shares = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
    parts.push(make("ul", { className: "bars share" }, ...shares.map(([name, share]) => {
      const bar = make("span", { className: "bar" });
      bar.style.width = `${share * 100}%`;
      return line(name, percent(share), bar);
    })));
  }
  const advice = answer.recommendation;
  const action = make("p", { className: "action" }, make("strong", { textContent: String(advice.action) }));
  const cost = typeof advice.cost === "number" ? `, expected cost ${short(advice.cost)}` : "";
  action.append(` (${advice.sure}${cost})`);
  parts.push(make("h3", { textContent: "What to do" }), action);
  if (content.warnings.length) {
    const notes = content.warnings.map((note) => make("li", { textContent: `${note.column}: ${note.message}` }));
    parts.push(make("h3", { textContent: "Take care" }), make("ul", { className: "notes" }, ...notes));
  }
  $("answer").replaceChildren(...parts);
}

function line(label, amount, bar) {
  const track = make("span", { className: "track" }, bar);
  track.setAttribute("aria-hidden", "true"); // the amount says it
  return make("li", {}, make("span", { textContent: label }),
    make("span", { className: "amount", textContent: amount }), track);
}

function showReasons(content) {
  const isShare = model.problem !== "regression";
  const readable = (value) => (isShare ? percent(value) : short(value));
  const largest = Math.max(...content.columns.map((column) => Math.abs(column.moved))) || 1;
  const lines = content.columns.map(({ column, value, moved }) => {
    const bar = make("span", { className: `bar ${moved < 0 ? "down" : "up"}` });
    const width = (Math.abs(moved) / largest) * 50;
    bar.style.width = `${width}%`;
    bar.style.left = `${moved < 0 ? 50 - width : 50}%`;
    const sign = moved > 0 ? "+" : "";
    const amount = isShare ? `${sign}${(moved * 100).toFixed(1)} points` : sign + short(moved);
    return line(`${column} = ${cell(value)}`, amount, bar);
  });
  $("why").replaceChildren(
    make("h3", { textContent: "Why" }),
    make("p", { textContent:
      `On average ${readable(content.base)} is predicted (${content.output}). Each column moves it, until it is ${readable(content.predicted)}:` }),
    make("ul", { className: "bars" }, ...lines),
    make("p", { className: "hint", textContent:
      `SHAP values, ${content.method}. What moves a prediction is not what causes the outcome.` }),
  );
}

/** A value of a column; a year is not grouped as an amount is. */
function cell(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : value ?? "not known";
}

/** The row as Python writes it. */
function asPython(row) {
  const words = { null: "None", true: "True", false: "False" };
  const lines = Object.entries(row).map(([name, value]) => {
    const text = JSON.stringify(value);
    return `    ${JSON.stringify(name)}: ${words[text] || text},\n`;
  });
  return `{\n${lines.join("")}}`;
}

function showProgram() {
  const row = rowOfForm();
  const address = new URL("v1/predict", location.href).href;
  const json = JSON.stringify({ rows: [row] }).replaceAll("'", "'\\''");
  const withKey = key ? ' \\\n  -H "X-API-Key: $CAPSTONE_API_KEY"' : "";
  $("curl").textContent = `curl ${address} -H "Content-Type: application/json"${withKey} \\\n  -d '${json}'`;
  const headers = key ? `"X-API-Key": os.environ["CAPSTONE_API_KEY"], ` : "";
  $("python").textContent = `import json\n${key ? "import os\n" : ""}from urllib.request import Request, urlopen

row = ${asPython(row)}
headers = {${headers}"Content-Type": "application/json"}
body = json.dumps({"rows": [row]}).encode()
with urlopen(Request("${address}", body, headers)) as answer:
    print(json.load(answer)["predictions"][0])
`;
}

function showModel() {
  document.title = `${model.project}: ask the model`;
  $("project").textContent = model.project;
  $("question").textContent = model.question;
  model.form.forEach((field, place) => Object.assign(field, { id: `field-${place}` })); // a name may hold spaces
  $("fields").replaceChildren(...model.form.map(control));
  const { name, value, low, high } = model.metric;
  const metric = METRICS[name] ?? name;
  $("run").textContent =
    `Model of run ${model.run}. On test rows: ${metric} ${score(value)} (95% interval: ${score(low)} to ${score(high)}).`;
  $("trouble").textContent = model.notes.join(" ");
  $("desk").hidden = false;
  showProgram();
}

async function open() {
  try {
    model = await ask("v1/model");
    $("key-form").hidden = true;
    showModel();
  } catch (error) {
    $("key-form").hidden = error.status !== 401;
    const wrongKey = key ? "This is not the key that CAPSTONE_API_KEY held when the service was started." : "";
    $("trouble").textContent = error.status === 401 ? wrongKey : shown(error.message);
  }
}

$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  open();
});
$("row").addEventListener("submit", predict);
$("row").addEventListener("input", showProgram);
open();
