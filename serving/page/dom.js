// Small helpers. Text only ever becomes text: a class may be called anything.

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export function number(value, digits = 1) {
  return value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });
}

export const pause = (milliseconds) => new Promise((go) => setTimeout(go, milliseconds));

