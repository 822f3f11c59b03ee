// The classes: search for one, see its training images.

import { change } from "../parts/address.js";
import { $, count, dot, element, keepFocus, number } from "../parts/dom.js";
import { attempt } from "../parts/problem.js";
import { post } from "../service/api.js";
import { bundle, isCurrent, prototype } from "../service/bundle.js";
import { examples } from "./answer.js";

const BROWSED = 16;
const SHOWN = 200; // classes, at most
export const browsed = { label: null };
let chosen = () => {};

export function onClass(callback) {
  chosen = callback;
}

export function showClasses() {
  $("prototype").replaceChildren();
  filterClasses();
}

const matching = () => {
  const wanted = $("search").value.trim().toLowerCase();
  return [...bundle.map.class_names.keys()].filter((index) =>
    bundle.map.class_names[index].toLowerCase().includes(wanted));
};

// A browser is slow with thousands of buttons: a search leads to the others.
function filterClasses() {
  const found = matching(), names = bundle.map.class_names, all = names.length;
  keepFocus(() => $("classes").replaceChildren(...found.slice(0, SHOWN).map((index) =>
    element("button", {
      type: "button",
      ariaPressed: String(names[index] === browsed.label),
      data: { key: `class:${names[index]}` },
      onclick: () => browse(index),
    }, dot(bundle.map.colours[index]), names[index]))), $("search"));
  const few = found.length === all ? count(all, "class", "classes")
    : `${found.length.toLocaleString("en")} of ${count(all, "class", "classes")}`;
  $("found").textContent = found.length > SHOWN ? `${few}, the first ${SHOWN} shown`
    : found.length < all || $("search").value.trim() ? few : "";
}

export function browse(index) {
  return attempt(async () => {
    const map = bundle.map, { label, rival } = await prototype(index);
    const found = await post("/similar", { prototype: label, k: BROWSED });
    if (!isCurrent(map)) return;
    browsed.label = label;
    change({ class: label });
    for (const button of $("classes").children) {
      button.ariaPressed = String(button.dataset.key === `class:${label}`);
    }
    const title = `${label}: its training images, nearest to the prototype first. Its nearest ` +
      `rival is ${rival.label}, ${number(rival.distance)} away (${number(rival.angle_deg)}°).`;
    $("prototype").replaceChildren(examples(title, found.results, index));
    chosen(index);
  });
}

$("search").addEventListener("input", filterClasses);
$("search").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  const [first] = matching();
  if (first !== undefined) browse(first);
});
