// The confusion matrix of pictures whose folder names a class. Each count opens its pictures.

import { $, count, element, keepFocus, number } from "../parts/dom.js";
import { recognised, VERDICTS } from "../parts/verdicts.js";
import { isRight, isWrong } from "./selection.js";

const NONE = VERDICTS.none_of_these.word;
const STRONGEST = 45; // percent of colour in the fullest cell: the text on it can still be read
const LISTED = 8; // mistakes
const column = (answer) => (recognised(answer) ? answer.label : null);

// `open(truth, label)` shows the pictures of a cell; label null: not recognised.
export function showConfusion(items, classNames, filters, open) {
  const labelled = items.filter(({ truth, answer }) => truth && answer);
  $("confusion").hidden = labelled.length === 0;
  if (!labelled.length) return;
  $("confusion-words").textContent = summary(labelled);
  const rows = classNames.filter((name) => labelled.some(({ truth }) => truth === name));
  const columns = classNames.filter((name) =>
    rows.includes(name) || labelled.some(({ answer }) => column(answer) === name));
  if (labelled.some(({ answer }) => !recognised(answer))) columns.push(null);
  const counts = new Map();
  for (const { truth, answer } of labelled) {
    const key = JSON.stringify([truth, column(answer)]);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const most = Math.max(...counts.values());
  const head = element("tr", {},
    element("td", { className: "corner" }, "folder ↓ answer →"),
    ...columns.map((name) => element("th", { scope: "col" },
      element("span", { className: name === null ? "none" : "" }, name ?? NONE))));
  const body = rows.map((truth) => element("tr", {},
    element("th", { scope: "row" }, truth),
    ...columns.map((label) => {
      const amount = counts.get(JSON.stringify([truth, label])) ?? 0;
      return element("td", {}, ...(amount
        ? [cell(truth, label, amount, most, filters, open)] : [element("span", { className: "zero" }, "·")]));
    })));
  keepFocus(() => {
    $("matrix").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
    $("mistakes").replaceChildren(...mistakes(counts, open));
  }, $("confusion-title"));
}

// The most frequent mistakes, each with its button: of many classes the matrix is wide and empty.
function mistakes(counts, open) {
  const wrong = [...counts].map(([key, amount]) => [...JSON.parse(key), amount])
    .filter(([truth, label]) => label !== null && label !== truth)
    .sort((a, b) => b[2] - a[2]).slice(0, LISTED);
  if (!wrong.length) return [];
  return [element("span", { className: "quiet" }, "Most frequent mistakes:"),
    ...wrong.map(([truth, label, amount]) => element("button", {
      type: "button",
      data: { key: `mistake:${JSON.stringify([truth, label])}` },
      onclick: () => open(truth, label),
    }, `${truth} → ${label} · ${amount.toLocaleString("en")}`))];
}

function cell(truth, label, amount, most, filters, open) {
  const button = element("button", {
    type: "button",
    className: label === truth ? "right" : label === null ? "none" : "wrong",
    ariaLabel: `folder ${truth}, answer ${label ?? NONE}: ${count(amount, "picture")}`,
    title: `folder ${truth}, answer ${label ?? NONE}`,
    data: { key: `cell:${JSON.stringify([truth, label])}` },
    onclick: () => open(truth, label),
  }, amount.toLocaleString("en"));
  button.style.setProperty("--share", `${8 + ((STRONGEST - 8) * amount) / most}%`);
  const pressed = filters.truth === truth && (label === null
    ? filters.verdict === "none_of_these" : filters.label === label && filters.verdict === "recognised");
  button.ariaPressed = String(pressed);
  return button;
}

function summary(labelled) {
  const right = labelled.filter(isRight).length, wrong = labelled.filter(isWrong).length;
  const share = right + wrong ? ` (${number((100 * right) / (right + wrong))} % of those recognised)` : "";
  return `Of ${count(labelled.length, "picture")} in folders named as classes, ` +
    `${right.toLocaleString("en")} are answered with their folder's class${share}, ` +
    `${wrong.toLocaleString("en")} with another, and ` +
    `${(labelled.length - right - wrong).toLocaleString("en")} are ${NONE}. Press a count to see its pictures.`;
}
