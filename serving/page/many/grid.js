// The pictures in a grid, a cell each: the picture, its answer or its error.

import { $, count, element, keepFocus, number } from "../parts/dom.js";
import { groupName } from "../parts/reasons.js";
import { headline, recognised, VERDICTS } from "../parts/verdicts.js";
import { isWrong } from "./selection.js";

const PAGE = 120; // cells that are added at a time

export class Grid {
  // `open(item)` opens a picture.
  constructor(open) {
    Object.assign(this, { open, cells: new Map(), items: [], limit: PAGE });
    $("more").addEventListener("click", () => {
      const next = this.items[this.limit];
      this.limit += PAGE;
      this.#draw();
      this.cells.get(next)?.button.focus();
    });
  }

  // Show these items; another question (`anew`) begins with the first page again.
  show(items, anew) {
    if (anew) this.limit = PAGE;
    this.items = items;
    this.#draw();
  }

  update(item) {
    const cell = this.cells.get(item);
    if (cell?.node.isConnected) fill(cell, item);
  }

  clear() {
    for (const { address } of this.cells.values()) URL.revokeObjectURL(address);
    this.cells.clear();
    this.show([], true);
  }

  focus(item) {
    this.cells.get(item)?.button.focus({ preventScroll: true });
  }

  #draw() {
    const shown = this.items.slice(0, this.limit);
    const nodes = shown.map((item) => this.#cell(item).node);
    const list = $("grid");
    keepFocus(() => {
      // Only what is out of place is moved, so that the page does not jump.
      const wanted = new Set(nodes);
      for (const node of [...list.children]) if (!wanted.has(node)) node.remove();
      nodes.forEach((node, place) => {
        if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
      });
    }, null);
    const left = this.items.length - shown.length;
    $("more").hidden = left <= 0;
    $("more").textContent = `show ${count(Math.min(PAGE, left), "more picture")} of ${left.toLocaleString("en")}`;
  }

  #cell(item) {
    let cell = this.cells.get(item);
    if (!cell) this.cells.set(item, (cell = newCell(item, this.open)));
    fill(cell, item);
    return cell;
  }
}

function newCell(item, open) {
  const image = element("img", { alt: "", loading: "lazy", decoding: "async" });
  image.onload = () => image.classList.toggle("pixels", image.naturalWidth <= 64);
  image.onerror = () => image.classList.add("unread");
  const words = element("span", { className: "words" });
  const button = element("button", {
    type: "button", className: "cell", title: item.path, onclick: () => open(item),
  }, element("span", { className: "thumb" }, image), words);
  return { node: element("li", {}, button), button, image, words, source: null, address: null };
}

function fill(cell, item) {
  const source = item.small ?? item.file;
  if (cell.source !== source) {
    if (cell.address) URL.revokeObjectURL(cell.address);
    cell.source = source;
    cell.address = cell.image.src = URL.createObjectURL(source);
  }
  const { state, answer } = item;
  cell.button.dataset.state = state;
  cell.button.disabled = state === "failed";
  cell.words.replaceChildren(...(answer ? answered(item) : unanswered(item)),
    element("span", { className: "file" }, item.path.split("/").at(-1)));
}

function answered({ answer, truth, corrected, ...item }) {
  const { word, sign } = VERDICTS[answer.verdict];
  const known = recognised(answer);
  const lines = [
    element("strong", {}, headline(answer)),
    element("span", { className: "verdict", data: { verdict: answer.verdict, sign } },
      known ? word : `nearest: ${answer.label}`),
    element("span", {}, `margin ${number(answer.margin)}`),
  ];
  if (answer.group) lines.push(element("span", {}, `one of ${groupName(answer.group)}`));
  if (isWrong({ truth, answer })) lines.push(element("span", { className: "wrong" }, `folder: ${truth}`));
  if (corrected) lines.push(element("span", { className: "wrong" }, `really: ${corrected}`));
  if (item.shrunk) lines.push(element("span", {}, `sent as ${item.shrunk.join(" × ")}`));
  return lines;
}

function unanswered({ state, error, progress }) {
  if (state === "failed") return [element("span", { className: "error" }, error)];
  if (state === "waiting") return [element("span", {}, "waiting")];
  return [element("progress", { value: progress, ariaLabel: "sending" })];
}
