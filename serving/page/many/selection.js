// Which of the pictures are shown, and in which order. Plain functions over items and filters.

import { recognised } from "../parts/verdicts.js";
import { byName } from "./collect.js";

export const VERDICT_FILTERS = ["recognised", "accept", "ambiguous", "none_of_these", "failed", "waiting"];
const value = (key) => (item) => item.answer[key];
const distance = (item) => item.answer.positive.distance;
// Name → [key, 1 for the smallest first].
const SORTS = {
  margin: [value("margin"), 1],
  "-margin": [value("margin"), -1],
  distance: [distance, 1],
  "-distance": [distance, -1],
};
export const SORT_NAMES = ["name", ...Object.keys(SORTS)];

// The filters' fields are texts, as in the address: verdict, label, truth, wrong, from, to, sort.
export function select(items, filters) {
  return items.filter((item) => fits(item, filters)).sort(order(filters.sort));
}

function fits(item, { verdict, label, truth, wrong, from, to }) {
  const { answer } = item;
  if (truth && item.truth !== truth) return false;
  if (wrong && !isWrong(item)) return false;
  if (verdict === "failed") return item.state === "failed";
  if (verdict === "waiting") return !answer && item.state !== "failed";
  if (!answer) return !verdict && !label && !from && !to;
  if (verdict === "recognised" ? !recognised(answer) : verdict && verdict !== answer.verdict) return false;
  if (label && answer.label !== label) return false;
  if (from && answer.margin < Number(from)) return false;
  return !to || answer.margin <= Number(to);
}

// Answered with another class than the folder's. What is not recognised has no class to be wrong.
export const isWrong = ({ truth, answer }) =>
  Boolean(truth && answer && recognised(answer) && answer.label !== truth);

export const isRight = ({ truth, answer }) =>
  Boolean(truth && answer && recognised(answer) && answer.label === truth);

// Pictures without an answer come last.
function order(sort) {
  const names = (a, b) => byName(a.path, b.path);
  if (!SORTS[sort]) return names;
  const [key, sign] = SORTS[sort];
  return (a, b) => {
    if (!a.answer || !b.answer) return Boolean(b.answer) - Boolean(a.answer) || names(a, b);
    return sign * (key(a) - key(b)) || names(a, b);
  };
}
