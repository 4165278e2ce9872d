// The page: takes a picture, a sound or a text, asks /predict, and shows what the model says.
// Everything that comes from people (labels, names, texts) goes in as text, never as markup.

import { asked, element, percent, problemOf } from "./parts.js";
import { timeline } from "./timeline.js";

const MOST_BARS = 8;
const MOST_DOUBTS = 3;
const MOST_CARDS = 30;
const AT_ONCE = 3;
const RETRIES = 3;
const WORDS = {
  image: { one: "picture", kind: "Picture classifier", accept: "image/*" },
  audio: { one: "sound", kind: "Sound classifier", accept: "audio/*,.wav,.flac,.ogg,.oga,.mp3" },
  text: { one: "text file", kind: "Text classifier", accept: "text/plain,.txt,.md" },
};
const METRICS = {
  accuracy: "Accuracy", macro_f1: "Macro F1", average_precision: "Average precision", auroc: "AUROC",
};

const MODEL = new URLSearchParams(location.search).get("model"); // one of several; without it, the first
const byId = (id) => document.getElementById(id);
const waiting = [];
let running = 0;
let info = null;

start().catch((error) => {
  byId("empty").replaceWith(problem("The page could not load the model's description.", String(error)));
});

async function start() {
  const response = await asked(at("info"));
  if (!response.ok) throw new Error((await problemOf(response)).error);
  info = await response.json();
  describe();
  offer((await (await asked("models")).json()).models);
  listen();
  document.body.dataset.state = "ready";
}

function at(path) {
  return MODEL === null ? path : `models/${encodeURIComponent(MODEL)}/${path}`;
}

// Of several models, the one that is asked is chosen here. A folder is called by its name: its path cannot be in an address.
function offer(models) {
  if (models.length < 2) return;
  const names = models.map(({ asked: name, model }) => (name.includes("/") ? model : name));
  byId("of").replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  byId("of").value = names.includes(MODEL) ? MODEL : names[Math.max(0, models.findIndex(({ model }) => model === info.model))];
  byId("of").addEventListener("change", () => { location.search = `?model=${encodeURIComponent(byId("of").value)}`; });
  byId("which").hidden = false;
}

function describe() {
  byId("review").hidden = !info.journal?.review;
  const words = WORDS[info.modality];
  const [name, version] = info.model.split("@");
  byId("model").replaceChildren(name, ...(version ? [element("span", {}, `@${version}`)] : []));
  document.title = `${info.model} · Holdfast`;
  const choice = info.task === "single" ? "one of" : "any of";
  byId("kind").textContent = `${words.kind}, ${choice} ${info.labels.length} labels`;
  byId("facts").replaceChildren(...facts().map(([title, value, more, tip]) =>
    element("div", tip ? { title: tip } : {}, element("dt", {}, title),
      element("dd", {}, value, ...(more ? [element("small", {}, more)] : [])))));
  byId("file").accept = words.accept;
  byId("drop-title").textContent = `Drop a ${words.one} here`;
  byId("drop-hint").textContent = `or click to choose; up to ${info.limits.max_mb} MB each`
    + (info.modality === "image" ? ", or paste one" : "");
  byId("empty-text").textContent = `What the model says of your ${words.one.replace(" file", "")} appears here.`;
  byId("text-form").hidden = info.modality !== "text";
  byId("drop").classList.toggle("small", info.modality === "text");
}

function facts() {
  const found = [];
  const name = info.headline ?? Object.keys(info.metrics)[0];
  const metric = info.metrics[name];
  if (metric?.value != null) {
    const range = metric.low != null ? `interval ${score(metric.low)} – ${score(metric.high)}` : "";
    found.push([METRICS[name] ?? name, score(metric.value), range, "Measured on samples that the model never saw"]);
    const simple = info.baselines?.simple?.[name]?.value;
    const majority = info.baselines?.majority?.[name]?.value;
    if (simple ?? majority) {
      found.push(["Simple baseline", score(simple ?? majority),
        simple != null && majority != null ? `always the commonest label: ${score(majority)}` : ""]);
    }
  }
  const data = info.dataset;
  if (data.name) {
    const print = element("code", {}, (data.fingerprint ?? "").slice(0, 12));
    found.push(["Trained on", `${data.name}@${data.version}`, print, `Fingerprint of the data: ${data.fingerprint}`]);
  }
  if (info.created) found.push(["Made", info.created.slice(0, 10), info.run ?? ""]);
  return found;
}

const score = (value) => value.toFixed(3);

function listen() {
  byId("file").addEventListener("change", (event) => {
    take([...event.target.files]);
    event.target.value = ""; // so that the same file can be chosen again
  });
  byId("text-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = byId("text").value;
    if (text.trim()) ask({ text, name: null });
    else byId("text").focus();
  });
  byId("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("text-form").requestSubmit();
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) take(files);
  });
  let depth = 0; // leave events also come from children
  const drag = (step) => (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    depth = Math.max(0, depth + step);
    document.body.classList.toggle("dragging", depth > 0);
  };
  document.addEventListener("dragenter", drag(1));
  document.addEventListener("dragleave", drag(-1));
  document.addEventListener("dragover", drag(0));
  document.addEventListener("drop", (event) => {
    drag(-1e9)(event);
    take([...(event.dataTransfer?.files ?? [])]);
  });
}

function take(files) {
  for (const file of files) ask({ file, name: file.name });
}

// One request per file: a bad one says so on its own card, and the others are answered.
function ask(item) {
  const card = element("li", { class: `card ${info.modality}`, "data-state": "waiting" });
  byId("empty").hidden = true;
  byId("results").prepend(card);
  while (byId("results").children.length > MOST_CARDS) byId("results").lastChild.remove();
  fill(card, item, "", [element("div", { class: "wait", role: "presentation" })]);
  waiting.push({ card, item });
  next();
}

async function next() {
  if (running >= AT_ONCE || !waiting.length) return;
  running += 1;
  const { card, item } = waiting.shift();
  try {
    await answer(card, item);
  } finally {
    running -= 1;
    next();
  }
}

async function answer(card, item) {
  const began = performance.now();
  let refusal = null;
  try {
    if (item.file && item.file.size > info.limits.max_mb * 1e6) {
      refusal = { error: `The file is larger than ${info.limits.max_mb} MB.`, hint: "Choose a smaller one." };
    } else {
      const response = await send(item);
      if (response.ok) {
        const prediction = (await response.json()).predictions[0];
        show(card, item, prediction, performance.now() - began);
        return;
      }
      refusal = await problemOf(response);
    }
  } catch (error) {
    refusal = { error: "The server did not answer.", hint: `Is it still running? (${error.message})` };
  }
  fail(card, item, refusal);
}

async function send(item, tries = 0) {
  const json = { method: "POST", headers: { "Content-Type": "application/json" } };
  const form = new FormData();
  if (item.file) form.append("file", item.file);
  const request = item.file ? { method: "POST", body: form } : { ...json, body: JSON.stringify({ text: item.text }) };
  const response = await asked(at("predict"), request);
  if (![429, 503].includes(response.status) || tries >= RETRIES) return response;
  const pause = Number(response.headers.get("Retry-After")) || 1;
  await new Promise((done) => setTimeout(done, pause * 1000));
  return send(item, tries + 1);
}

function show(card, item, prediction, milliseconds) {
  card.dataset.state = "done";
  const verdict = element("div", { class: "verdict" }, ...verdictOf(prediction));
  const bars = element("div", {}, verdict, ...barsOf(prediction));
  const content = info.modality === "audio" && prediction.windows
    ? [bars, timeline(prediction, card.querySelector("audio"), item.file)] : [bars];
  fill(card, item, `${Math.max(1, Math.round(milliseconds))} ms`, content);
  reveal(card);
  const doubt = prediction.sure === false ? ", not sure" : "";
  say(`${item.name ?? "Text"}: ${prediction.labels.join(", ") || "none of the labels"}${doubt}`);
}

function verdictOf(prediction) {
  if (info.task === "single") {
    const sure = percent(prediction.probabilities[prediction.label]);
    return [element("h2", { class: "chosen-label" }, prediction.label), element("span", { class: "sure" }, sure),
      ...doubtsOf(prediction)];
  }
  if (!prediction.labels.length) return [element("h2", {}, "None of the labels"), ...doubtsOf(prediction)];
  const likely = [...prediction.labels].sort((a, b) => prediction.probabilities[b] - prediction.probabilities[a]);
  return [...likely.map((label) => element("span", { class: "chip chosen-label" }, label)), ...doubtsOf(prediction)];
}

function doubtsOf(prediction) {
  if (prediction.sure !== false) return [];
  const others = prediction.possible.filter((label) => !prediction.labels.includes(label))
    .sort((a, b) => prediction.probabilities[b] - prediction.probabilities[a]);
  const shown = others.slice(0, MOST_DOUBTS).join(", ");
  const left = Math.max(0, others.length - MOST_DOUBTS) + (prediction.possible_left_out ?? 0);
  const more = left ? ` or ${left} more` : "";
  return [element("p", { class: "doubt" }, others.length ? `Not sure: it may also be ${shown}${more}.` : "Not sure.")];
}

function barsOf(prediction) {
  const sorted = Object.entries(prediction.probabilities).sort((a, b) => b[1] - a[1]);
  const chosen = new Set(prediction.labels);
  const rows = sorted.map(([label, share], rank) => {
    const row = element("li", { class: chosen.has(label) ? "chosen" : "" },
      element("span", { class: "label", title: label }, label),
      element("span", { class: "value" }, percent(share)),
      element("span", { class: "track", role: "presentation" }, ...track(label, share)));
    row.hidden = rank >= MOST_BARS && !chosen.has(label);
    return row;
  });
  const parts = [element("ol", { class: "bars", "aria-label": "Probabilities" }, ...rows)];
  const hidden = rows.filter((row) => row.hidden);
  if (hidden.length) {
    const more = element("button", { type: "button", class: "plain" }, `Show ${hidden.length} more`);
    more.addEventListener("click", () => {
      for (const row of hidden) row.hidden = false;
      more.remove();
    });
    parts.push(more);
  }
  if (info.thresholds) parts.push(element("p", { class: "note" }, "A label is given when its bar reaches the mark."));
  return parts;
}

function track(label, share) {
  const fillBar = element("div", { class: "fill" });
  fillBar.style.width = `${share * 100}%`;
  if (!info.thresholds) return [fillBar];
  const limit = element("div", { class: "limit" });
  limit.style.left = `${info.thresholds[info.labels.indexOf(label)] * 100}%`;
  return [fillBar, limit];
}

function fail(card, item, refusal) {
  card.dataset.state = "failed";
  card.classList.add("failed");
  fill(card, item, "", [problem(refusal.error, refusal.hint)]);
  reveal(card);
  say(`${item.name ?? "Text"}: ${refusal.error}`);
}

function problem(error, hint) {
  return element("div", { class: "error", role: "alert" }, element("strong", {}, error),
    ...(hint ? [element("span", {}, hint)] : []));
}

function fill(card, item, time, content) {
  const head = element("div", { class: "card-head" },
    element("span", { class: "name", title: item.name ?? "" }, item.name ?? "Text"),
    element("span", { class: "time" }, time));
  item.preview ??= preview(item);
  card.replaceChildren(head, element("div", { class: "body" }, ...item.preview, ...content));
  if (card.dataset.state === "failed" && info.modality !== "text") item.preview.forEach((part) => part.remove());
}

function preview(item) {
  if (item.text) return [element("p", { class: "quote" }, item.text)];
  if (info.modality === "text") {
    const quote = element("p", { class: "quote" });
    item.file.slice(0, 2000).text().then((text) => { quote.textContent = text; });
    return [quote];
  }
  const source = URL.createObjectURL(item.file); // lives as long as its card may be looked at
  if (info.modality === "audio") return [element("audio", { controls: "", src: source, "aria-label": item.name })];
  const picture = element("img", { class: "picture", alt: `Preview of ${item.name}` });
  picture.addEventListener("error", () => picture.remove()); // such as TIFF, which browsers do not show
  picture.src = source;
  return [picture];
}

// On a narrow screen the results lie below the input.
function reveal(card) {
  const top = card.getBoundingClientRect().top;
  if (card === byId("results").firstChild && top > window.innerHeight * 0.7) card.scrollIntoView({ block: "start" });
}

function say(message) {
  byId("status").textContent = message;
}
