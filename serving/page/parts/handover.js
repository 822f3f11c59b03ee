// Texts that leave the page: by the clipboard, as a file, as a command.

import { serviceAddress, usesToken } from "../service/api.js";

// Without https the browser has no clipboard for pages: the old way still works.
export async function copy(text) {
  if (navigator.clipboard) {
    try {
      return await navigator.clipboard.writeText(text);
    } catch { /* not allowed: the old way */ }
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  document.body.append(field);
  const focused = document.activeElement;
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  focused?.focus({ preventScroll: true });
  if (!done) throw new Error("the browser does not let the page copy; mark the text and copy it");
}

// The button that copies says so for a moment.
export async function copyBy(button, text) {
  await copy(text);
  button.dataset.words ??= button.textContent;
  button.textContent = "copied";
  setTimeout(() => (button.textContent = button.dataset.words), 1500);
}

export function download(name, kind, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
// Of a form's value curl takes ; and , for its own, but not within double quotes.
const asUpload = (path) =>
  quoted(`image=@"${path.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`);

// The command for a shell that asks `route` the same. A training image comes from the service.
export function curl(route, { file, gallery, fields = {} }) {
  const call = `curl -sS${usesToken() ? ' -H "Authorization: Bearer $DPNP_API_TOKEN"' : ""}`;
  const others = Object.entries(fields).filter(([, value]) => value !== null)
    .map(([name, value]) => ` --form-string ${quoted(`${name}=${value}`)}`).join("");
  const upload = gallery === undefined ? asUpload(file) : "'image=@-;filename=picture'";
  const asked = `${call} -F ${upload}${others} ${serviceAddress(route)}`;
  return gallery === undefined ? asked : `${call} ${serviceAddress(`/gallery/${gallery}`)} | ${asked}`;
}
