// The review page: shows what the model was unsure of, and takes the true label by one key.
// Everything that comes from people (labels, names, texts) goes in as text, never as markup.

import { asked, element, percent, problemOf } from "./parts.js";
import { follow, waveform } from "./timeline.js";

const MOST = 100;
const KEYS = 9;
const SMALL = 200;
const byId = (id) => document.getElementById(id);
const blobs = new Map(); // id → promise of what was sent
const done = []; // what can be taken back: the item, and what was said of it before
let models = {}; // name → its labels, and whether it gives one of them or many
let items = [];
let at = 0;
let counts = null;
let chosen = new Set();
let busy = false;

start().catch((error) => trouble({ error: "The page could not be filled.", hint: String(error) }));

async function start() {
  listen();
  await load();
  document.body.dataset.state = "ready";
}

function listen() {
  byId("filters").addEventListener("change", load);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("save").addEventListener("click", accept);
  byId("next").addEventListener("click", () => step(1));
  byId("back").addEventListener("click", () => step(-1));
  byId("undo").addEventListener("click", undo);
  byId("desk").addEventListener("keydown", onKey);
  byId("find").addEventListener("keydown", onFind);
}

// Keys count where the prediction has the focus, as it has at first: nobody sets a label by mistake.
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const act = actOf(event);
  if (!act) return;
  event.preventDefault();
  act();
}

function actOf(event) {
  const { key, target } = event;
  if (/^[1-9]$/.test(key)) return byId("labels").children[key - 1] && (() => pick(byId("labels").children[key - 1].dataset.label));
  const isControl = target.matches("button, a, audio, [tabindex='0']");
  const acts = {
    Enter: isControl ? null : accept,
    " ": isControl ? null : play,
    ArrowRight: target.matches("audio") ? null : () => step(1),
    ArrowLeft: target.matches("audio") ? null : () => step(-1),
    u: undo, U: undo, "/": () => !byId("find-row").hidden && byId("find").focus(),
  };
  return acts[key];
}

function onFind(event) {
  if (event.key === "Escape") byId("desk").focus();
  if (event.key !== "Enter") return;
  event.preventDefault();
  const said = event.target.value.trim().toLowerCase();
  const labels = labelsOf(items[at]);
  const fits = labels.filter((label) => label.toLowerCase().includes(said));
  const label = labels.find((it) => it.toLowerCase() === said) ?? (fits.length === 1 ? fits[0] : null);
  if (!said || !label) return say(fits.length ? `${fits.length} labels fit` : "No label fits");
  event.target.value = "";
  byId("desk").focus();
  pick(label);
}

async function load() {
  const query = new URLSearchParams({ limit: MOST });
  for (const [name, value] of new FormData(byId("filters"))) if (value) query.set(name, value);
  const response = await asked(`review/items?${query}`);
  if (!response.ok) return trouble(await problemOf(response));
  clear();
  const found = await response.json();
  counts = { labelled: found.labelled, all: found.all };
  items = found.items;
  describe(found.models);
  at = 0;
  show();
  if (document.activeElement === document.body) byId("desk").focus({ preventScroll: true });
}

function describe(found) {
  if (Object.keys(models).length) return;
  models = found;
  const names = Object.keys(models);
  byId("kind").textContent = `What ${names.join(", ")} ${names.length > 1 ? "were" : "was"} asked, and what is true`;
  document.title = `Review ${names.join(", ")} · Holdfast`;
  byId("which").hidden = names.length < 2;
  byId("of").append(...names.map((name) => element("option", { value: name }, name)));
  const labels = new Set(Object.values(models).flatMap((model) => model.labels));
  byId("label").append(...[...labels].map((label) => element("option", { value: label }, label)));
}

// What can be said of a prediction; of a model that is not served any more, what it said itself.
function labelsOf(item) {
  return models[item.model.split("@")[0]]?.labels ?? Object.keys(item.probabilities);
}

const isSingle = (item) => item.task === "single";

function show() {
  const item = items[at];
  byId("desk").hidden = !item;
  byId("empty").hidden = Boolean(item);
  tellProgress();
  if (!item) return showNone();
  chosen = new Set(item.truth?.labels ?? (isSingle(item) ? [] : item.labels));
  byId("question").textContent = isSingle(item) ? "What is it?" : "Which of these?";
  byId("find-row").hidden = labelsOf(item).length <= KEYS;
  byId("names").replaceChildren(...labelsOf(item).map((label) => element("option", { value: label })));
  byId("name").textContent = item.name ?? "Without a name";
  byId("name").title = item.name ?? "";
  byId("time").textContent = new Date(item.time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  byId("time").dateTime = item.time;
  byId("doubt").style.width = `${item.uncertainty * 100}%`;
  byId("doubt-words").textContent = `Uncertainty ${Math.round(item.uncertainty * 100)} %`;
  byId("model").replaceChildren(...verdictOf(item));
  fillLabels(item);
  byId("back").disabled = at === 0;
  byId("undo").disabled = !done.length;
  byId("save-words").textContent = isSingle(item) ? "The model is right" : "Save";
  fillInput(item);
  for (const near of items.slice(at + 1, at + 3)) blobOf(near);
  return undefined;
}

function showNone() {
  const any = counts.all > 0;
  byId("empty-title").textContent = any ? "All done" : "Nothing to look at yet";
  byId("empty-text").textContent = any
    ? `${counts.labelled} of ${counts.all} have a true label. Choose others above, or come back later.`
    : "Predictions appear here once the server has kept an input.";
}

function verdictOf(item) {
  const by = item.truth?.by ? ` (${item.truth.by})` : "";
  const truth = item.truth
    ? [" It is labelled ", element("strong", {}, item.truth.labels.join(", ") || "none of them"), `${by}.`] : [];
  if (!item.labels.length) return ["The model gives none.", ...truth];
  const sure = isSingle(item) ? `, ${percent(item.probabilities[item.labels[0]])}` : "";
  return ["The model says ", element("strong", {}, item.labels.join(", ")), `${sure}.`, ...truth];
}

// With few labels, each keeps its key; of many, the likeliest have one.
function namesOf(item) {
  if (labelsOf(item).length <= KEYS) return labelsOf(item);
  const likely = Object.entries(item.probabilities).sort((a, b) => b[1] - a[1]).map(([label]) => label).slice(0, KEYS);
  return [...new Set([...likely, ...item.labels, ...chosen])];
}

function fillLabels(item) {
  byId("labels").replaceChildren(...namesOf(item).map((label, place) => {
    const share = item.probabilities[label];
    const bar = element("span", { class: "share" });
    bar.style.width = `${(share ?? 0) * 100}%`;
    const button = element("button", { type: "button", "aria-pressed": String(chosen.has(label)),
      class: item.labels.includes(label) ? "guess" : "" },
    bar, place < KEYS ? element("kbd", {}, String(place + 1)) : element("span"),
    element("span", { class: "text" }, label),
    element("span", { class: "value" }, share === undefined ? "" : percent(share)));
    button.addEventListener("click", () => pick(label));
    return element("li", { "data-label": label }, button);
  }));
}

function pick(label) {
  if (isSingle(items[at])) {
    give([label]);
    return;
  }
  if (chosen.has(label)) chosen.delete(label);
  else chosen.add(label);
  const onLabel = byId("labels").contains(document.activeElement);
  fillLabels(items[at]);
  if (onLabel) byId("labels").querySelector(`li[data-label="${CSS.escape(label)}"] button`)?.focus();
  say(`${label} ${chosen.has(label) ? "chosen" : "not chosen"}`);
}

function accept() {
  const item = items[at];
  if (item) give(isSingle(item) ? item.labels : labelsOf(item).filter((label) => chosen.has(label)));
}

async function give(labels) {
  const item = items[at];
  if (busy || !item) return;
  const before = item.truth;
  if (!await send({ id: item.id, labels })) return;
  done.push({ item, before });
  mark(item, { labels });
  say(`${item.name ?? "It"} is ${labels.join(", ") || "none of the labels"}. Undo with U.`);
  await step(1);
}

async function undo() {
  if (busy || !done.length) return;
  const { item, before } = done.at(-1);
  if (!await send(before ? { id: item.id, labels: before.labels } : { id: item.id, withdraw: true })) return;
  done.pop();
  mark(item, before);
  const place = items.indexOf(item);
  if (place < 0) items.splice(at, 0, item);
  else at = place;
  show();
  byId("desk").focus();
  say(`Taken back: ${item.name ?? "the last one"}`);
}

function mark(item, truth) {
  const change = Number(Boolean(truth)) - Number(Boolean(item.truth));
  counts.labelled += change;
  item.truth = truth;
}

async function send(said) {
  busy = true;
  try {
    const body = JSON.stringify(said);
    const response = await asked("feedback", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (response.ok) clear();
    else trouble(await problemOf(response));
    return response.ok;
  } catch (error) {
    trouble({ error: "The server did not answer.", hint: `Is it still running? (${error.message})` });
    return false;
  } finally {
    busy = false;
  }
}

async function step(by) {
  const next = at + by;
  if (next < 0) return;
  if (next >= items.length) await more();
  at = Math.min(next, items.length);
  show();
  (items[at] ? byId("desk") : byId("empty")).focus({ preventScroll: true });
}

// What came meanwhile, and what did not fit before.
async function more() {
  const seen = new Set(items.map((item) => item.id));
  const query = new URLSearchParams({ limit: MOST });
  for (const [name, value] of new FormData(byId("filters"))) if (value) query.set(name, value);
  const response = await asked(`review/items?${query}`);
  if (!response.ok) return trouble(await problemOf(response));
  const found = await response.json();
  counts = { labelled: found.labelled, all: found.all };
  items.push(...found.items.filter((item) => !seen.has(item.id)));
  return undefined;
}

function tellProgress() {
  const place = items[at] ? [element("strong", {}, `${at + 1}`), ` of ${items.length} here · `] : [];
  byId("progress").replaceChildren(...place, element("strong", {}, String(counts.labelled)), ` of ${counts.all} labelled`);
}

async function fillInput(item) {
  const box = byId("input");
  box.replaceChildren(element("div", { class: "wait", role: "presentation" }));
  const blob = await blobOf(item);
  if (items[at] !== item) return; // somebody was quicker
  if (!blob) box.replaceChildren(element("p", { class: "hint" }, "What was sent is not here any more."));
  else if (item.type.startsWith("text/")) box.replaceChildren(element("p", { class: "words", tabindex: "0", role: "document", "aria-label": "Text" }, await blob.text()));
  else if (item.type.startsWith("audio/")) box.replaceChildren(sound(item, blob));
  else box.replaceChildren(picture(item, blob));
  byId("desk").classList.remove("done");
  requestAnimationFrame(() => byId("desk").classList.add("done"));
  document.body.dataset.item = item.id;
}

function blobOf(item) {
  if (!blobs.has(item.id)) {
    blobs.set(item.id, asked(`review/inputs/${item.id}`).then((response) => (response.ok ? response.blob() : null), () => null));
    if (blobs.size > 8) blobs.delete(blobs.keys().next().value);
  }
  return blobs.get(item.id);
}

function picture(item, blob) {
  const source = URL.createObjectURL(blob);
  const image = element("img", { class: "picture", alt: `What was sent${item.name ? `: ${item.name}` : ""}` });
  image.addEventListener("load", () => {
    image.classList.toggle("small", Math.max(image.naturalWidth, image.naturalHeight) < SMALL);
    URL.revokeObjectURL(source);
  });
  image.addEventListener("error", () => image.replaceWith( // such as TIFF, which browsers do not show
    element("p", { class: "hint" }, "This browser cannot show the picture.")));
  image.src = source;
  return image;
}

function sound(item, blob) {
  const audio = element("audio", { controls: "", src: URL.createObjectURL(blob), "aria-label": item.name ?? "What was sent" });
  const canvas = element("canvas", { "aria-hidden": "true" });
  const head = element("div", { class: "head" });
  const place = () => { head.style.left = `${100 * (audio.currentTime / (audio.duration || 1))}%`; };
  canvas.addEventListener("click", (event) => {
    if (Number.isFinite(audio.duration)) audio.currentTime = (event.offsetX / canvas.clientWidth) * audio.duration;
  });
  follow(audio, place);
  requestAnimationFrame(() => waveform(canvas, blob)); // once it has its size
  return element("div", { class: "sound" }, element("div", { class: "wave" }, canvas, head), audio);
}

function play() {
  const audio = byId("input").querySelector("audio");
  if (audio?.paused) audio.play();
  else audio?.pause();
}

function trouble({ error, hint }) {
  byId("trouble").replaceChildren(element("div", { class: "error", role: "alert" }, element("strong", {}, error),
    ...(hint ? [element("span", {}, hint)] : [])));
}

function clear() {
  byId("trouble").replaceChildren();
}

function say(message) {
  byId("status").textContent = message;
}
