// The explorer: which view is shown, where pictures come in, and how a link restores the page.

import { change, DEFAULT_VIEW, onAddress, state } from "./parts/address.js";
import { $ } from "./parts/dom.js";
import { attempt } from "./parts/problem.js";
import { bundle, followBundle } from "./service/bundle.js";
import * as many from "./many/view.js";
import * as one from "./one/view.js";

const VIEWS = ["one", "many"];
const scrolled = {}; // where each view was left
let opened = null; // the picture of the grid that is open in the other view

const view = () => (VIEWS.includes(state().view) ? state().view : DEFAULT_VIEW);

function showView() {
  const before = VIEWS.find((name) => !$(name).hidden), now = view();
  if (before === now) return;
  scrolled[before] = scrollY;
  for (const name of VIEWS) {
    $(name).hidden = name !== now;
    $(`to-${name}`).ariaCurrent = name === now ? "page" : null;
  }
  scrollTo(0, scrolled[now] ?? 0);
  if (now === "many" && opened) many.focusItem(opened);
}

function go(name) {
  change({ view: name === DEFAULT_VIEW ? null : name }, { step: true });
  showView();
}

function restore() {
  showView();
  if (!bundle.map) return;
  many.restore(state());
  one.restore(state());
}

// The pictures of the grid, one after the other.
function openItem(item) {
  opened = item;
  scrolled.one = 0;
  go("one");
  showPlace();
  $("answer-title").focus({ preventScroll: true });
  one.askFile(item.file, { file: item.path, item });
}

function showPlace() {
  const items = many.shownItems(), place = items.indexOf(opened);
  $("place").hidden = opened === null;
  $("place-words").textContent = place < 0 ? "" : `${place + 1} of ${items.length}`;
  $("previous").disabled = place <= 0;
  $("next").disabled = place < 0 || place === items.length - 1;
}

function turn(by) {
  const items = many.shownItems();
  opened = items[items.indexOf(opened) + by];
  showPlace();
  one.askFile(opened.file, { file: opened.path, item: opened });
}

function askOne(file) {
  opened = null;
  showPlace();
  go("one");
  one.askFile(file);
}

async function drop(transfer) {
  const [file] = transfer.files; // the list is empty after the event
  const found = await many.dropped(transfer);
  const { files, others } = found;
  if (view() === "one" && files.length + others.length === 1 && !files[0]?.path.includes("/")) {
    return askOne(file);
  }
  go("many");
  await many.add(found);
}

for (const name of VIEWS) {
  $(`to-${name}`).addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // into another tab
    event.preventDefault();
    go(name);
  });
}
$("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  target.value = ""; // the same file again is a question again
  if (file) askOne(file);
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", kind === "dragover");
    if (kind === "drop") attempt(() => drop(event.dataTransfer));
  });
}
document.addEventListener("paste", ({ clipboardData }) => {
  if (clipboardData.files.length) askOne(clipboardData.files[0]);
});
$("previous").addEventListener("click", () => turn(-1));
$("next").addEventListener("click", () => turn(1));
$("back").addEventListener("click", () => go("many"));
many.onOpen(openItem);
onAddress(restore);
showView();

followBundle((first) => {
  const { model } = bundle.map;
  $("model").textContent = `${model.name} · ${model.fingerprint.slice(0, 12)}`;
  $("model").title = `fingerprint ${model.fingerprint}`;
  many.showBundle();
  one.showBundle(first);
  if (first) restore();
}, attempt);
