// A correction: what the picture really is. It is sent as feedback, where the service takes it.

import { $, options } from "../parts/dom.js";
import { attempt } from "../parts/problem.js";
import { ApiError, get, post } from "../service/api.js";
import { bundle } from "../service/bundle.js";

const NO_SUCH = [404, 405, 501];
let taken = null; // promise: whether the service takes corrections
let current = null; // {question, answer}

const takesFeedback = () =>
  (taken ??= get("/docs.json").then(({ paths }) => "/feedback" in paths, () => false));

export async function showCorrection(answer, question) {
  current = { answer, question };
  const names = bundle.map.class_names;
  options($("really"), [["", "choose a class"], ...names.map((name) => [name, name])],
    question.item?.corrected ?? "");
  $("corrected").textContent = "";
  $("correct").disabled = !$("really").value;
  $("correction").hidden = !(await takesFeedback());
}

async function send() {
  const label = $("really").value, { question } = current;
  try {
    await post("/feedback", { image: question.sent.blob, label });
  } catch (error) {
    if (!(error instanceof ApiError) || !NO_SUCH.includes(error.status)) throw error;
    taken = Promise.resolve(false);
    $("correction").hidden = true;
    throw new ApiError("this service takes no corrections", error.status);
  }
  if (question.item) question.item.corrected = label;
  if (question === current.question) $("corrected").textContent = `Thank you: noted as ${label}.`;
}

$("really").addEventListener("change", () => {
  $("correct").disabled = !$("really").value;
  $("corrected").textContent = "";
});
$("correction").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(send);
});
