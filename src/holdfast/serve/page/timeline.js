// What the model hears when: one lane for each likely label over the windows of a sound.

import { drawn, element, percent } from "./parts.js";

const MOST_LANES = 6;
const MOST_WAVE_BYTES = 20e6; // unpacked in the browser, a long recording would fill its memory
const LANE = 20;

export function timeline(prediction, audio, file) {
  const { windows } = prediction;
  const labels = lanesOf(prediction);
  const wave = element("canvas", { "aria-hidden": "true" });
  const head = element("div", { class: "head" });
  const stage = element("div", { class: "stage", "aria-hidden": "true" }, head);
  const axis = element("div", { class: "axis", "aria-hidden": "true" });
  const lanes = labels.flatMap((label) => [
    element("span", { class: prediction.labels.includes(label) ? "lane-name chosen" : "lane-name", title: label }, label),
    element("div", { class: "lane", "data-label": label }),
  ]);
  const chart = element("div", { class: "timeline", role: "img",
    "aria-label": `Probabilities of ${labels.join(", ")} over time; the same numbers are in the table below` },
  element("span"), wave, ...lanes, axis, stage);

  const draw = () => {
    const end = lengthOf(audio, windows);
    for (const lane of chart.querySelectorAll(".lane")) lane.replaceChildren(cells(windows, lane.dataset.label, end));
    axis.replaceChildren(...ticks(end));
    place();
  };
  const place = () => {
    stage.style.left = `${wave.offsetLeft}px`;
    head.style.left = `${100 * Math.min(1, audio.currentTime / lengthOf(audio, windows))}%`;
  };
  draw();
  audio.addEventListener("durationchange", draw);
  new ResizeObserver(place).observe(chart);
  follow(audio, place);
  chart.addEventListener("click", (event) => {
    const box = wave.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    if (share >= 0) audio.currentTime = share * lengthOf(audio, windows);
  });
  waveform(wave, file);
  return element("div", {}, chart, table(windows, labels));
}

function lanesOf(prediction) {
  const peak = (label) => Math.max(...prediction.windows.map((window) => window.probabilities[label]));
  const chosen = (label) => (prediction.labels.includes(label) ? 1 : 0);
  return Object.keys(prediction.probabilities)
    .map((label) => [label, chosen(label) + peak(label)])
    .sort((a, b) => b[1] - a[1]).slice(0, MOST_LANES).map(([label]) => label);
}

// The last window is filled up with silence, so it may end after the recording does.
function lengthOf(audio, windows) {
  return Number.isFinite(audio.duration) && audio.duration > 0 ? audio.duration : windows.at(-1).end_s;
}

// Windows overlap: each is drawn up to the start of the next.
function cells(windows, label, end) {
  const rects = windows.map((window, index) => {
    const stop = Math.min(windows[index + 1]?.start_s ?? end, end);
    const share = window.probabilities[label];
    const width = Math.max(0, stop - window.start_s);
    const tip = `${label}: ${percent(share)}, ${clock(window.start_s)} – ${clock(Math.min(window.end_s, end))}`;
    return drawn("rect", { x: window.start_s, y: 0, width, height: LANE, "fill-opacity": share },
      drawn("title", {}, tip));
  });
  return drawn("svg", { viewBox: `0 0 ${end} ${LANE}`, preserveAspectRatio: "none" }, ...rects);
}

function ticks(end) {
  const shares = [0, 0.25, 0.5, 0.75, 1];
  return shares.map((share) => {
    const tick = element("span", {}, clock(share * end, end < 10));
    tick.style.left = `${share * 100}%`;
    return tick;
  });
}

function clock(seconds, fine = true) {
  const rest = seconds % 60;
  const text = fine ? rest.toFixed(1).padStart(4, "0") : String(Math.floor(rest)).padStart(2, "0");
  return `${Math.floor(seconds / 60)}:${text}`;
}

export function follow(audio, place) {
  const step = () => {
    place();
    if (!audio.paused) requestAnimationFrame(step);
  };
  for (const name of ["play", "seeked", "timeupdate"]) audio.addEventListener(name, step);
}

export async function waveform(canvas, file) {
  if (file.size > MOST_WAVE_BYTES) return canvas.classList.add("blank");
  try {
    const context = new OfflineAudioContext(1, 1, 8000);
    const samples = (await context.decodeAudioData(await file.arrayBuffer())).getChannelData(0);
    paint(canvas, samples);
  } catch { // the server can read formats that this browser cannot: it stays flat
    canvas.classList.add("blank");
  }
}

function paint(canvas, samples) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, canvas.clientWidth * scale);
  canvas.height = Math.max(1, canvas.clientHeight * scale);
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(canvas).color;
  const each = samples.length / canvas.width;
  const middle = canvas.height / 2;
  for (let x = 0; x < canvas.width; x += 1) {
    let peak = 0;
    for (let at = Math.floor(x * each); at < (x + 1) * each; at += 1) peak = Math.max(peak, Math.abs(samples[at] ?? 0));
    const half = Math.max(0.5, Math.min(1, peak) * middle * 0.92);
    pen.fillRect(x, middle - half, 1, half * 2);
  }
}

function table(windows, labels) {
  const row = (cell, values) => element("tr", {}, ...values.map((value) => element(cell, {}, value)));
  const rows = windows.map((window) => row("td",
    [`${clock(window.start_s)} – ${clock(window.end_s)}`, ...labels.map((label) => percent(window.probabilities[label]))]));
  return element("details", {}, element("summary", {}, `${windows.length} windows as a table`),
    element("div", { class: "scroll", tabindex: "0" },
      element("table", {}, element("thead", {}, row("th", ["Window", ...labels])), element("tbody", {}, ...rows))));
}
