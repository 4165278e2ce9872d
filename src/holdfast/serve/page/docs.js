// The API's page: shows openapi.json, and sends its examples. Needs nothing from other hosts.

import { asked, element } from "./parts.js";

const about = await (await asked("openapi.json")).json();
document.getElementById("about").textContent = about.info.description;
document.title = `API · ${about.info.title}`;
const sections = Object.entries(about.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => section(path, method.toUpperCase(), operation)));
document.getElementById("paths").replaceChildren(...sections);

function section(path, method, operation) {
  const content = operation.requestBody?.content ?? {};
  const examples = Object.entries(content).flatMap(([type, body]) =>
    Object.values(body.examples ?? {}).map((it) => example(path, method, type, it.summary, it.value)));
  if (method === "GET") examples.push(example(path, method, null, "Ask", null));
  return element("section", { "data-path": path },
    element("h2", {}, element("span", { class: "method" }, method), element("code", {}, path)),
    element("p", {}, operation.description ?? operation.summary ?? ""),
    ...(method === "POST" && curls(path, content) ? [element("h3", {}, "With curl"), element("pre", { tabindex: "0" }, curls(path, content))] : []),
    ...answers(operation), element("h3", {}, "Examples"), ...examples);
}

function curls(path, content) {
  const url = new URL(path.slice(1), location.href);
  const lines = content["multipart/form-data"] ? [`curl -F file=@one.file -F file=@two.file ${url}`] : [];
  const sample = Object.values(content["application/json"]?.examples ?? {})[0];
  if (!lines.length && sample) lines.push(`curl -H 'Content-Type: application/json' -d '${JSON.stringify(sample.value)}' ${url}`);
  for (const type of Object.keys(content)) {
    if (type.endsWith("/*") || type === "text/plain") {
      lines.push(`curl --data-binary @one.file -H 'Content-Type: ${type.replace("/*", type[0] === "i" ? "/png" : "/wav")}' ${url}`);
    }
  }
  return lines.join("\n");
}

function answers(operation) {
  const rows = Object.entries(operation.responses).filter(([status]) => status !== "200")
    .map(([status, it]) => element("tr", {}, element("td", {}, status), element("td", {}, it.description)));
  return rows.length ? [element("h3", {}, "When it does not work"), element("table", {}, element("tbody", {}, ...rows))] : [];
}

function example(path, method, type, title, value) {
  const button = element("button", { type: "button" }, "Send");
  const output = element("pre", { "aria-live": "polite", tabindex: "0" });
  output.hidden = true;
  button.addEventListener("click", async () => {
    const body = value === null ? {} : { body: JSON.stringify(value), headers: { "Content-Type": type } };
    const response = await asked(path.slice(1), { method, ...body });
    const text = await response.text();
    output.hidden = false;
    output.textContent = `${response.status} ${response.statusText}\n${pretty(text)}`;
  });
  return element("div", { class: "example" },
    element("div", { class: "row" }, element("strong", {}, title), button),
    ...(value === null ? [] : [element("pre", { tabindex: "0" }, JSON.stringify(value, null, 2))]), output);
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
