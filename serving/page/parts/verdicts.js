// A verdict's words, the same everywhere on the page.

export const VERDICTS = {
  accept: {
    word: "accepted",
    sign: "✓",
    meaning: "The picture is near enough to its prototype, and far enough from the others.",
  },
  ambiguous: {
    word: "ambiguous",
    sign: "≈",
    meaning: "Two prototypes are about equally near: compare both.",
  },
  none_of_these: {
    word: "not recognised",
    sign: "?",
    meaning: "The picture is too far from the nearest prototype, or too unlike the training images.",
  },
};

export const recognised = (answer) => answer.verdict !== "none_of_these";

// The class, or that there is none: a picture that is not recognised has no class as its headline.
export const headline = (answer) =>
  recognised(answer) ? answer.label : VERDICTS.none_of_these.word;
