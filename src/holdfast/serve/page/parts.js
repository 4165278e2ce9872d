// Small parts that the pages share.

const SVG = "http://www.w3.org/2000/svg";

// An element; strings among the children become text, so that nothing in them is markup.
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// 0.97312 → "97.3 %"; what is not quite nothing or everything never reads as 0 or 100.
export function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${(share * 100).toFixed(1)} %`;
}

export async function problemOf(response) {
  try {
    const { error, hint } = await response.json();
    return { error: sentence(error), hint: sentence(hint ?? "") };
  } catch {
    return { error: `The server answered ${response.status}.`, hint: "" };
  }
}

function sentence(text) {
  return text && text[0].toUpperCase() + text.slice(1);
}

// A key is kept in this variable alone: it is gone with the page, and no other page can read it.
let key = null;

// As fetch, for this server: where it asks for a key, so does the page, and then asks again.
export async function asked(path, options = {}) {
  const headers = { ...options.headers, ...(key === null ? {} : { Authorization: `Bearer ${key}` }) };
  const sent = key;
  const response = await fetch(path, { ...options, headers });
  if (response.status !== 401) return response;
  if (sent === key) key = null;
  key ??= await keyOf(sent !== null);
  return key === null ? response : asked(path, options);
}

let asking = null;

// What a person says the key is; null if they do not say. Several requests wait for one answer.
function keyOf(again) {
  asking ??= new Promise((done) => {
    const field = element("input", {
      id: "key", type: "password", name: "key", autocomplete: "off", spellcheck: "false", required: "", pattern: "\\s*[!-~]+\\s*",
      "aria-describedby": "key-note",
    });
    const cancel = element("button", { type: "button" }, "Cancel");
    const form = element("form", { class: "panel" },
      element("label", { for: "key" }, again ? "This key is not valid. Another one?" : "Your key for this server"),
      field, element("p", { id: "key-note", class: "hint" }, "It stays in this page, and is forgotten when you leave."),
      element("div", { class: "row" }, element("button", { type: "submit", class: "primary" }, "Go on"), cancel));
    const dialog = element("dialog", { class: "ask", "aria-label": "A key is needed" }, form);
    const end = (found) => {
      dialog.remove();
      asking = null;
      done(found);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (field.value.trim()) end(field.value.trim());
    });
    cancel.addEventListener("click", () => end(null));
    dialog.addEventListener("cancel", () => end(null));
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}
