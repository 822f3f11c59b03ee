// The answer in words and bars, and the training images behind it.

import { $, dot, element, number } from "../parts/dom.js";
import { attempt } from "../parts/problem.js";
import { groupWords, limitWords } from "../parts/reasons.js";
import { headline, recognised, VERDICTS } from "../parts/verdicts.js";
import { bundle, hasPictures } from "../service/bundle.js";
import { thumbnailImage } from "../service/thumbnails.js";
import { askRival, askTrainingImage } from "./question.js";

export function showAnswer(answer) {
  const { word, sign, meaning } = VERDICTS[answer.verdict];
  $("empty").hidden = true;
  $("verdict").hidden = false;
  $("label").textContent = headline(answer);
  $("label").dataset.verdict = answer.verdict;
  $("badge").textContent = word;
  $("badge").dataset.sign = sign;
  $("badge").dataset.verdict = answer.verdict;
  $("badge").hidden = !recognised(answer); // the headline says it
  $("peek-label").textContent = `${headline(answer)}${recognised(answer) ? ` · ${word}` : ""}`;
  const [positive, negative] = answer.prototypes; // the nearest two, whatever was asked
  const margin = negative.distance - positive.distance;
  $("sentence").textContent =
    `${meaning} The nearest prototype is that of ${positive.label}, ${number(positive.distance)} ` +
    `away; then that of ${negative.label}, ${number(negative.distance)}: a margin of ` +
    `${number(margin)}. ` +
    `Probability of ${answer.label}: ${number(100 * answer.probability)} %.`;
  $("limit").textContent = limitWords(answer);
  $("group").hidden = !answer.group;
  $("group").textContent = answer.group ? groupWords(answer) : "";
  const rows = [...answer.prototypes];
  if (!rows.some((row) => row.index === answer.negative.index)) rows.push(answer.negative);
  const longest = Math.max(...rows.map((row) => row.distance));
  $("bars").replaceChildren(...rows.map((row) => bar(row, longest, answer)));
}

function bar(row, longest, answer) {
  const fill = element("span", { className: "fill" });
  fill.style.width = `${(100 * row.distance) / longest}%`;
  const role = { [answer.index]: "for", [answer.negative.index]: "against" }[row.index];
  if (role) fill.classList.add(role);
  const own = row.index === answer.index;
  const button = element("button", {
    type: "button",
    disabled: own,
    title: own ? "the nearest prototype" : `why not ${row.label}?`,
    ariaPressed: own ? null : String(row.index === answer.negative.index),
    data: { key: `bar:${row.label}` },
    onclick: () => attempt(() => askRival(row.label)),
  },
    element("span", { className: "name" }, row.label),
    element("span", { className: "value" }, number(row.distance)),
    element("span", { className: "track" }, fill),
  );
  return element("li", {}, button);
}

export function showBehind(answer) {
  const { label, index, negative } = answer;
  $("behind").hidden = false;
  $("examples").replaceChildren(
    examples(`Nearest to the prototype of ${label}`, answer.positive_examples, index),
    examples(`Nearest to the prototype of ${negative.label}`, answer.negative_examples, negative.index),
    examples("Nearest to this picture", answer.neighbours, null),
  );
}

// A row of training images, each of which asks about itself.
export function examples(title, found, index) {
  const marked = index === null ? [] : [dot(bundle.map.colours[index])];
  return element("div", { className: "group" },
    element("h3", {}, ...marked, title),
    element("ul", {}, ...found.map((example) =>
      element("li", {}, exampleButton(example, `${index}:${example.id}`)))));
}

// Where the model comes without pictures there is nothing to ask about: the tile is no button.
export function exampleButton({ id, label, distance }, key) {
  const words = [element("span", { className: "name" }, label),
    ...(distance === undefined ? [] : [element("span", { className: "value" }, number(distance))])];
  if (!hasPictures()) {
    return element("div", { className: "example", title: `training image ${id}` },
      element("span", { className: "absent" }), ...words);
  }
  return element("button", {
    type: "button",
    className: "example",
    title: `training image ${id}: ask about it`,
    data: { key },
    onclick: () => attempt(() => askTrainingImage(id)),
  },
    thumbnailImage(id), ...words);
}
