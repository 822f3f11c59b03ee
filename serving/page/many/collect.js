// The pictures in what was chosen or dropped, folders with all that is in them.

const PICTURE = /\.(jpe?g|jfif|png|webp|bmp|gif|heic|heif|avif|tiff?)$/i;
const HIDDEN = /^(\.|Thumbs\.db$|desktop\.ini$)/i;

// {files: [{file, path}] by path, others: the names of the files that are no pictures}.
export async function dropped({ items, files }) {
  // The list of items is empty after the event: entries are taken before anything is waited for.
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosen(files);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return sorted(found);
}

export function chosen(files) {
  return sorted([...files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
}

async function walk(entry, found) {
  if (HIDDEN.test(entry.name)) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, path: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  for (;;) { // a reader hands out a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const inside of some) await walk(inside, found);
  }
}

function sorted(found) {
  const shown = found.filter(({ file }) => !HIDDEN.test(file.name));
  const isPicture = ({ file }) => PICTURE.test(file.name) || file.type.startsWith("image/");
  return {
    files: shown.filter(isPicture).sort((a, b) => byName(a.path, b.path)),
    others: shown.filter((one) => !isPicture(one)).map(({ path }) => path),
  };
}

export const byName = new Intl.Collator("en", { numeric: true }).compare;

// The class that a picture's folder names, by index; null when it names none.
export function folderClass(path, classNames) {
  const folder = path.split("/").at(-2);
  if (folder === undefined) return null;
  const same = classNames.indexOf(folder);
  if (same >= 0) return same;
  const plain = (name) => name.toLowerCase().replaceAll(/[\s_-]+/g, " ").trim();
  const alike = classNames.findIndex((name) => plain(name) === plain(folder));
  return alike >= 0 ? alike : null;
}
