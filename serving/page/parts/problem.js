// What went wrong, in words, at the top of the page.

import { bundle, isCurrent } from "../service/bundle.js";
import { $ } from "./dom.js";

export async function attempt(work) {
  const asked = bundle.map;
  $("problem").hidden = true;
  try {
    await work();
  } catch (error) {
    if (error.name !== "AbortError" && isCurrent(asked)) tell(error.message);
  }
}

export function tell(message) {
  $("problem").textContent = message;
  $("problem").hidden = false;
  $("problem").scrollIntoView({ block: "nearest" });
}
