// The page's state in its address, behind the #: a link restores it. Keys that are empty are left out.

export const DEFAULT_VIEW = "one";

export function state() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

// `step`: the browser's way back leads to the state before.
export function change(changes, { step = false } = {}) {
  const parts = new URLSearchParams(location.hash.slice(1));
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") parts.delete(key);
    else parts.set(key, value);
  }
  const hash = parts.size ? `#${parts}` : location.pathname;
  if (hash === (location.hash || location.pathname)) return;
  history[step ? "pushState" : "replaceState"](null, "", hash);
}

export function onAddress(callback) {
  window.addEventListener("hashchange", callback);
}
