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
