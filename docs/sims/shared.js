"use strict";
// What the three sims share in the browser: the state in the address, controls, SVG, animation.
const Sim = (() => {
  const THEMES = { light: "light", dark: "dark" };
  const SVG = "http://www.w3.org/2000/svg";
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const $ = (selector) => document.querySelector(selector);

  // An SVG element: make("line", { x1: 0, class: "axis" }, "text or further elements").
  function make(name, attributes = {}, ...children) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  // An HTML element, with its text or children.
  function html(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  // A number as a reader wants it: four digits, a real minus sign.
  function show(number, digits = 4) {
    if (!Number.isFinite(number)) return Number.isNaN(number) ? "not a number" : "infinite";
    const size = Math.abs(number);
    const text = size !== 0 && (size < 0.001 || size >= 100000)
      ? number.toExponential(2)
      : String(Number(number.toPrecision(digits)));
    return text.replaceAll("-", "−");
  }

  // 12345 as 12,345. toLocaleString would load a whole language first, which takes a tenth of a second.
  const thousands = (whole) => String(whole).replace(/\B(?=(\d{3})+$)/g, ",");

  // ---- The state: plain values, kept in the address after "#" --------------------------------------

  // What the address says for each key, in the kind that the default has. The sim's `check` does the rest.
  function parse(text, value) {
    if (text === null) return value;
    if (Array.isArray(value)) {
      const parts = text.split(",").filter((part) => part !== "");
      return typeof value[0] === "number" ? parts.map(Number) : parts;
    }
    if (typeof value === "boolean") return text === "1";
    return typeof value === "number" ? Number(text) : text;
  }

  const written = (value) => (typeof value === "boolean" ? String(Number(value)) : String(value));

  // `check(values)` mends what is out of range; `render(values)` draws.
  // Returns { values, set, update }.
  function keepState(defaults, check, render) {
    const state = { values: {}, set, update };
    let waiting = 0;

    function read() {
      const given = new URLSearchParams(location.hash.slice(1));
      const entries = Object.entries(defaults);
      return check(Object.fromEntries(entries.map(([k, v]) => [k, parse(given.get(k), v)])));
    }

    function set(changes) {
      state.values = check({ ...state.values, ...changes });
      clearTimeout(waiting); // browsers refuse hundreds of addresses in a row
      waiting = setTimeout(write, 200);
      update();
    }

    function write() {
      const address = new URLSearchParams();
      for (const [key, value] of Object.entries(state.values)) {
        if (written(value) !== written(defaults[key])) address.set(key, written(value));
      }
      // Nothing but the part after "#" may change in a page from file://.
      history.replaceState(null, "", `#${address.toString().replaceAll("%2C", ",")}`);
    }

    function update() {
      document.documentElement.style.colorScheme = THEMES[state.values.theme] ?? "light dark";
      showInControls(state.values);
      render(state.values);
    }

    // Every control whose name is a key of the state changes it; several may share a name.
    for (const control of document.querySelectorAll("[name]")) {
      if (!(control.name in defaults)) continue;
      control.addEventListener("input", () => {
        const value = readControl(control);
        if (value === undefined) return;
        const also = control.closest("[data-resets]")?.dataset.resets; // a key that starts anew
        set({ [control.name]: value, ...(also && { [also]: defaults[also] }) });
      });
      control.addEventListener("change", () => showInControls(state.values, true));
    }
    addEventListener("hashchange", () => {
      state.values = read();
      update();
    });
    state.values = read();
    return state;
  }

  function readControl(control) {
    if (control.type === "checkbox" && control.hasAttribute("value")) {
      const group = document.querySelectorAll(`[name="${control.name}"]:checked`);
      return Array.from(group, (box) => box.value);
    }
    if (control.type === "checkbox") return control.checked;
    if (control.type !== "number" && control.type !== "range") return control.value;
    return Number.isNaN(control.valueAsNumber) ? undefined : control.valueAsNumber; // half typed
  }

  function showInControls(values, all = false) {
    for (const control of document.querySelectorAll("[name]")) {
      if (!(control.name in values)) continue;
      const value = values[control.name];
      if (control.type === "checkbox") {
        control.checked = Array.isArray(value) ? value.includes(control.value) : value;
      } else if (all || control !== document.activeElement || control.type === "range") {
        control.value = value; // never under the fingers of who is typing
      }
    }
  }

  // ---- Drawing ------------------------------------------------------------------------------------

  // Calls paint(svg, width, height) when the drawing's box changes: text keeps its size. Returns draw(values),
  // which does so when one of these keys of the state has changed. The browser tells the size, before the first
  // frame too: asking for it would make it lay out the page again for each drawing.
  function canvas(svg, keys, paint) {
    let before = "";
    let box = null;
    function repaint() {
      if (!box?.width) return;
      svg.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
      svg.replaceChildren();
      paint(svg, box.width, box.height);
    }
    new ResizeObserver(([{ contentRect }]) => {
      box = contentRect;
      repaint();
    }).observe(svg);
    return (values) => {
      const now = keys.map((key) => values[key]).join("|");
      if (now !== before) repaint();
      before = now;
    };
  }

  // ---- Buttons ------------------------------------------------------------------------------------

  // Calls `step(seconds)` for each frame until it returns false. One animation runs at a time.
  let stop = () => {};
  function animate(step, ended = () => {}) {
    stop();
    let before = performance.now();
    let frame = requestAnimationFrame(run);
    const mine = () => {
      cancelAnimationFrame(frame);
      stop = () => {};
      ended();
    };
    stop = mine;
    function run(now) {
      const go = step(Math.min(Math.max(now - before, 0) / 1000, 0.1));
      before = now;
      if (stop !== mine) return; // the step itself ended it
      if (go === false) stop();
      else frame = requestAnimationFrame(run);
    }
  }

  // A button that plays and pauses. Who asked for less motion gets `end()` at once instead.
  function player(button, step, end) {
    const name = button.textContent;
    button.addEventListener("click", () => {
      if (button.textContent !== name) return stop();
      if (calm()) return end();
      animate(step, () => { button.textContent = name; });
      button.textContent = "Pause";
    });
  }

  // A button that copies; the text is on the page too, for where the clipboard is closed.
  function copier(button, text) {
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text());
        say("Copied.");
      } catch {
        say("This browser doesn't let the page copy. Select the text below the button and copy it yourself.");
      }
    });
  }

  // A file that the reader chose, never sent anywhere. `take(text, name)` may throw a sentence.
  function opener(input, take) {
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (!file) return;
      try {
        take(await file.text(), file.name);
      } catch (error) {
        say(`${file.name}: ${error.message}`);
      }
      input.value = ""; // the same file may be chosen again
    });
  }

  // One sentence for eyes and for screen readers; it leaves when the reader goes on.
  const say = (sentence) => { $("#said").textContent = sentence; };
  addEventListener("pointerdown", () => say(""));
  addEventListener("keydown", () => say(""));

  return { $, make, html, show, thousands, keepState, canvas, animate, player, copier, opener, say, calm };
})();
