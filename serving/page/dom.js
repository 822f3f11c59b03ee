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

// A hue for each class, far from its neighbours'; lightness alternates so that many stay apart.
export function colour(index, count) {
  const lightness = count > 12 && index % 2 ? 62 : 46;
  return `hsl(${Math.round((index * 360) / count + 8) % 360} 68% ${lightness}%)`;
}

