// Many pictures: takes them, asks, and joins filters, grid and matrix.

import { change, state } from "../parts/address.js";
import { $, count, options } from "../parts/dom.js";
import { download } from "../parts/handover.js";
import { attempt } from "../parts/problem.js";
import { VERDICTS } from "../parts/verdicts.js";
import { bundle } from "../service/bundle.js";
import { Asking } from "./asking.js";
import { chosen, dropped, folderClass } from "./collect.js";
import { showConfusion } from "./confusion.js";
import { Grid } from "./grid.js";
import { asCsv, asJson } from "./results_file.js";
import { select, SORT_NAMES, VERDICT_FILTERS } from "./selection.js";

const FILTERS = ["verdict", "label", "truth", "wrong", "from", "to", "sort"];
const REST = 250; // milliseconds between two drawings while answers come in
const VERDICT_WORDS = { recognised: "accepted or ambiguous", failed: "failed", waiting: "not asked yet" };
const SORT_WORDS = {
  name: "name", margin: "margin, smallest first", "-margin": "margin, largest first",
  distance: "distance, nearest first", "-distance": "distance, farthest first",
};

let items = [], filters = {}, open = () => {}, drawing = null;
const known = new Set(); // "path size time" of each file: the same one is not added twice
const grid = new Grid((item) => open(item));
const asking = new Asking((item) => {
  grid.update(item);
  drawing ??= setTimeout(() => draw(false), REST);
});

// `callback(item)` opens a picture of the grid.
export function onOpen(callback) {
  open = callback;
}

// The pictures as they are shown now: one leads to the next.
export const shownItems = () => grid.items;
export const focusItem = (item) => grid.focus(item);

export async function add(found) {
  const { files, others } = await found;
  const fresh = files.map(({ file, path }) => newItem(file, path)).filter(isNew);
  items = [...items, ...fresh];
  $("left-out").textContent = others.length
    ? `${count(others.length, "file")} left out, no pictures by their names: ${names(others)}` : "";
  asking.add(fresh);
  draw(false);
}

function newItem(file, path) {
  const index = folderClass(path, bundle.map.class_names);
  return { file, path, truth: index === null ? null : bundle.map.class_names[index] };
}

function isNew({ file, path }) {
  const key = `${path} ${file.size} ${file.lastModified}`;
  if (known.has(key)) return false;
  known.add(key);
  return true;
}

const names = (others) => others.slice(0, 3).join(", ") + (others.length > 3 ? ", …" : "");

// Another bundle: its classes, and all answers anew.
export function showBundle() {
  asking.stop();
  for (const item of items) Object.assign(item, newItem(item.file, item.path));
  asking.add(items);
  restore(state());
}

export function restore(wanted) {
  filters = Object.fromEntries(FILTERS.map((key) => [key, wanted[key] ?? ""]));
  draw(true);
}

function filter(changes) {
  Object.assign(filters, changes);
  change(filters);
  draw(true);
}

function draw(anew) {
  clearTimeout(drawing);
  drawing = null;
  $("results").hidden = items.length === 0;
  const found = select(items, filters);
  grid.show(found, anew);
  showState(found);
  showFilters();
  showConfusion(items, bundle.map.class_names, filters, (truth, label) => {
    filter({ truth, label: label ?? "", verdict: label === null ? "none_of_these" : "recognised",
      wrong: "", from: "", to: "" });
    $("grid-title").scrollIntoView({ block: "start" });
    $("grid-title").focus({ preventScroll: true });
  });
}

function showState(found) {
  const amount = (test) => items.filter(test).length;
  const answered = amount(({ answer }) => answer), failed = amount(({ state }) => state === "failed");
  const stopped = !asking.running && answered + failed < items.length;
  $("done").max = items.length || 1;
  $("done").value = answered + failed;
  $("done").hidden = $("stop").hidden = !asking.running;
  $("go-on").hidden = !stopped && !(failed && !asking.running);
  $("go-on").textContent = stopped ? "go on" : "ask about the failed ones again";
  $("tally").textContent = `${answered + failed} of ${count(items.length, "picture")} asked` +
    (failed ? `, ${failed} failed` : "") + (stopped ? ", stopped" : "");
  $("shown").textContent = found.length === items.length ? count(found.length, "picture")
    : `${found.length.toLocaleString("en")} of ${count(items.length, "picture")}`;
  $("nothing").hidden = found.length > 0;
}

function showFilters() {
  const labels = new Set(items.map(({ answer }) => answer?.label));
  const truths = new Set(items.map(({ truth }) => truth));
  const inOrder = (set, kept) => bundle.map.class_names.filter((name) => set.has(name) || name === kept);
  setOptions("verdict", "any verdict", VERDICT_FILTERS.map((key) => [key, VERDICTS[key]?.word ?? VERDICT_WORDS[key]]));
  setOptions("label", "any class", inOrder(labels, filters.label).map((name) => [name, name]));
  setOptions("truth", "any folder", inOrder(truths, filters.truth).map((name) => [name, name]));
  setOptions("sort", null, SORT_NAMES.map((key) => [key, SORT_WORDS[key]]));
  const isLabelled = items.some(({ truth }) => truth);
  for (const id of ["truth-field", "wrong-field"]) $(id).hidden = !isLabelled;
  $("f-wrong").checked = Boolean(filters.wrong);
  for (const key of ["from", "to"]) {
    if ($(`f-${key}`) !== document.activeElement) $(`f-${key}`).value = filters[key];
  }
  $("reset").hidden = !FILTERS.some((key) => key !== "sort" && filters[key]);
}

// A list that is open stays as it is, unless something new is in it.
function setOptions(key, any, pairs) {
  const all = any === null ? pairs : [["", any], ...pairs], field = $(`f-${key}`);
  if ([...field.options].map((o) => o.value).join("\n") !== all.map(([value]) => value).join("\n")) {
    options(field, all, filters[key]);
  }
  field.value = filters[key] || (any === null ? pairs[0][0] : "");
}

for (const key of FILTERS) {
  $(`f-${key}`).addEventListener("input", ({ target }) => filter({
    [key]: target.type === "checkbox" ? (target.checked ? "1" : "")
      : key === "sort" && target.value === "name" ? "" : target.value }));
}
$("reset").addEventListener("click", () => {
  filter(Object.fromEntries(FILTERS.filter((key) => key !== "sort").map((key) => [key, ""])));
  $("f-verdict").focus();
});
for (const id of ["files", "folder"]) {
  $(id).addEventListener("change", ({ target }) => {
    const found = chosen(target.files);
    target.value = "";
    attempt(() => add(found));
  });
}
$("shrinks").addEventListener("change", () => (asking.shrinks = $("shrinks").checked));
$("stop").addEventListener("click", () => {
  asking.stop();
  draw(false);
  $("go-on").focus();
});
$("go-on").addEventListener("click", () => {
  asking.add(items.filter(({ answer }) => !answer));
  draw(false);
});
$("clear").addEventListener("click", () => {
  asking.stop();
  items = [];
  known.clear();
  grid.clear();
  $("left-out").textContent = "";
  draw(true);
  $("files").focus();
});
$("save-all-json").addEventListener("click", () =>
  download("answers.json", "application/json", asJson(grid.items)));
$("save-all-csv").addEventListener("click", () => download("answers.csv", "text/csv", asCsv(grid.items)));
export { dropped };
