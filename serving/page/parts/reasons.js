// Why the verdict is what it is, in words: the limit that was passed, and the group of an ambiguous answer.

import { number } from "./dom.js";

const LISTED = 8; // members of a group that a sentence names
const SHORT = 4; // up to so many, a group that was built has all its members in its name

// The figures that the verdict compares, with their limits.
export function limitWords({ limits, novelty, label }) {
  const { ood_score: score, max_distance: most, margin, min_margin: least, passed } = limits;
  const [far, farthest] = apart(score, most), [gap, smallest] = apart(margin, least);
  const away = novelty
    ? `distance ${number(score - novelty)} and novelty ${number(novelty)} are ${far} together`
    : `the distance is ${far}`;
  if (passed === "max_distance") {
    return `It is beyond the limit of distance for ${label}: ${away}, over ${farthest}.`;
  }
  if (passed === "min_margin") {
    return `It is beyond the limit of margin for ${label}: the margin is ${gap}, under ${smallest}.`;
  }
  return `It is beyond no limit for ${label}: ${away}, of at most ${farthest}, and the margin is ` +
    `${gap}, of at least ${smallest}.`;
}

// Two figures with so many decimals that they differ.
function apart(a, b) {
  for (let digits = 1; digits < 6; digits++) {
    const pair = [number(a, digits), number(b, digits)];
    if (pair[0] !== pair[1] || a === b) return pair;
  }
  return [String(a), String(b)];
}

// The smallest sure group of an ambiguous answer.
export function groupWords({ group, label, prototypes }) {
  const { coverage } = group, rival = prototypes.find((other) => other.label !== label);
  const share = coverage === null ? "" : ` (${number(100 * coverage)} % of such groups hold the class)`;
  return `Not sure between ${label} and ${rival.label}: surely one of ${groupName(group)}${share}.`;
}

export function groupName({ name, members }) {
  const all = members.join(", ");
  const built = name === all ||
    (members.length > SHORT && name.startsWith(`${members.slice(0, SHORT - 1).join(", ")} and `));
  if (members.length > LISTED) return `${members.length} classes: ${name}`;
  return built ? all : `${name}: ${all}`;
}
