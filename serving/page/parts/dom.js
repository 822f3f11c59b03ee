// Small helpers for elements. Text only ever becomes text: a class may be called anything.

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const { data = {}, ...others } = properties;
  const node = Object.assign(document.createElement(tag), others);
  Object.assign(node.dataset, data);
  node.append(...children);
  return node;
}

export function number(value, digits = 1) {
  return value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });
}

export const count = (amount, one, many = `${one}s`) =>
  `${amount.toLocaleString("en")} ${amount === 1 ? one : many}`;

export const pause = (milliseconds) => new Promise((go) => setTimeout(go, milliseconds));

export function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) =>
    element("option", { value, selected: value === chosen }, text)));
}

// The dot in a class's colour.
export function dot(colour) {
  const node = element("span", { className: "dot" });
  if (colour) node.style.setProperty("--class", colour);
  return node;
}

// `work` replaces elements: the focus stays on the one with the same data-key, or goes to `other`.
export function keepFocus(work, other) {
  const focused = document.activeElement, { key } = focused?.dataset ?? {};
  work();
  if (!focused || focused === document.body || focused === document.activeElement) return;
  const same = focused.isConnected ? focused
    : key && document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  (same || other)?.focus({ preventScroll: true });
}
