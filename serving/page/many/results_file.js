// The answers about many pictures as a file: JSON with all of each answer, or a table.

const COLUMNS = ["file", "folder_label", "label", "verdict", "probability", "distance", "margin",
  "novelty", "group", "correction", "error"];

export function asJson(items) {
  const rows = items.map(({ path, truth, answer, error, corrected }) => ({
    file: path,
    ...(truth ? { folder_label: truth } : {}),
    ...(corrected ? { correction: corrected } : {}),
    ...(answer ? { answer } : { error: error ?? "not asked" }),
  }));
  return `${JSON.stringify(rows, null, 2)}\n`;
}

export function asCsv(items) {
  const rows = items.map(({ path, truth, answer, error, corrected }) => [
    path, truth, answer?.label, answer?.verdict, answer?.probability, answer?.positive.distance,
    answer?.margin, answer?.novelty, answer?.group?.name, corrected, answer ? "" : error ?? "not asked"]);
  return [COLUMNS, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");
}

function field(value) {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
