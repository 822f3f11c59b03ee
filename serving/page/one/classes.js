// The classes: search for one, see its training images.

import { change } from "../parts/address.js";
import { $, count, dot, element, keepFocus, number } from "../parts/dom.js";
import { attempt } from "../parts/problem.js";
import { post } from "../service/api.js";
import { bundle, isCurrent } from "../service/bundle.js";
import { examples } from "./answer.js";

const BROWSED = 16;
export const browsed = { label: null };
let chosen = () => {};

export function onClass(callback) {
  chosen = callback;
}

export function showClasses() {
  keepFocus(() => {
    $("prototype").replaceChildren();
    $("classes").replaceChildren(...bundle.map.class_names.map((name, index) =>
      element("button", {
        type: "button",
        ariaPressed: "false",
        data: { key: `class:${name}` },
        onclick: () => browse(index),
      }, dot(bundle.map.colours[index]), name)));
  }, $("search"));
  filterClasses();
}

function filterClasses() {
  const wanted = $("search").value.trim().toLowerCase();
  const buttons = [...$("classes").children];
  let found = 0;
  buttons.forEach((button, index) => {
    button.hidden = !bundle.map.class_names[index].toLowerCase().includes(wanted);
    found += button.hidden ? 0 : 1;
  });
  $("found").textContent = wanted ? `${found} of ${count(buttons.length, "class", "classes")}` : "";
}

export function browse(index) {
  return attempt(async () => {
    const map = bundle.map, { label, rival } = bundle.prototypes[index];
    const found = await post("/similar", { prototype: label, k: BROWSED });
    if (!isCurrent(map)) return;
    browsed.label = label;
    change({ class: label });
    [...$("classes").children].forEach((button, i) => (button.ariaPressed = String(i === index)));
    const title = `${label}: its training images, nearest to the prototype first. Its nearest ` +
      `rival is ${rival.label}, ${number(rival.distance)} away (${number(rival.angle_deg)}°).`;
    $("prototype").replaceChildren(examples(title, found.results, index));
    chosen(index);
  });
}

$("search").addEventListener("input", filterClasses);
$("search").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  const first = [...$("classes").children].findIndex((button) => !button.hidden);
  if (first >= 0) browse(first);
});
