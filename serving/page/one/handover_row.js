// The answer for other tools: as JSON, as a command for the shell, as a link.

import { $ } from "../parts/dom.js";
import { copyBy, curl, download } from "../parts/handover.js";
import { attempt } from "../parts/problem.js";

let json = "";

export function setHandover(answer, question) {
  json = `${JSON.stringify(answer, null, 2)}\n`;
  $("handover").hidden = false;
  const { file, gallery, rival, fine, sent } = question, shared = gallery !== undefined;
  const asks = shared || file !== undefined; // a training image of an earlier bundle is gone
  $("command").hidden = !asks;
  if (asks) $("curl").textContent = curl("/explain", { file, gallery, fields: { rival, fine: fine ? "true" : null } });
  $("command-words").textContent = shared ? "" :
    `Run it in the folder that holds ${file}.${sent.from ? " It sends the original." : ""}`;
  $("copy-link").disabled = !shared;
  $("link-words").hidden = shared;
}

$("copy-json").addEventListener("click", (event) => attempt(() => copyBy(event.target, json)));
$("save-json").addEventListener("click", () => download("answer.json", "application/json", json));
$("copy-curl").addEventListener("click", (event) =>
  attempt(() => copyBy(event.target, $("curl").textContent)));
$("copy-link").addEventListener("click", (event) =>
  attempt(() => copyBy(event.target, location.href)));
