/** An answer as a table, for spreadsheets. */
export interface Table {
  filename: string;
  columns: readonly string[];
  rows: readonly (readonly (string | number | null)[])[];
  /** Where it goes on: the `page` of the next request. */
  next_page: string | null;
}

/** What the query says comes before what the header says. */
export function wantsCsv(headers: Headers, query: unknown): boolean {
  const { format } = (query ?? {}) as { format?: string };
  if (format !== undefined) return format === "csv";
  const accepted = (headers.get("accept") ?? "")
    .split(",")
    .map((type) => type.split(";")[0]?.trim().toLowerCase());
  return accepted.includes("text/csv") && !accepted.includes("application/json");
}

/** As RFC 4180 has it, with line ends of CRLF. */
export const csvText = ({ columns, rows }: Table): string =>
  [columns, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");

export const csvHeaders = ({ filename, next_page }: Table): Record<string, string> => ({
  "content-type": "text/csv; charset=utf-8; header=present",
  "content-disposition": `attachment; filename="${filename}"`,
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  ...(next_page !== null && { "next-page": next_page }),
});

/**
 * What begins as a formula does gets an apostrophe before it: names of models and ids of agents are what others chose, and
 * spreadsheets would work it out. Numbers are ours.
 */
function cell(value: string | number | null): string {
  if (typeof value !== "string") return value === null ? "" : String(value);
  const text = /^[\s]*[=+\-@\t\r|%]/.test(value) ? `'${value}` : value;
  return /[",\r\n;]|^'/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
