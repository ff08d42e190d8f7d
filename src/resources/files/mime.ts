/** Types of files by how their names end. Of several names for one type, the first one is given to files without one. */
const types: Record<string, string> = {
  txt: "text/plain",
  log: "text/plain",
  ini: "text/plain",
  toml: "text/plain",
  sh: "text/plain",
  py: "text/plain",
  js: "text/javascript",
  mjs: "text/javascript",
  ts: "text/plain",
  sql: "text/plain",
  md: "text/markdown",
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  html: "text/html",
  htm: "text/html",
  css: "text/css",
  ics: "text/calendar",
  json: "application/json",
  ipynb: "application/x-ipynb+json",
  jsonl: "application/jsonl",
  ndjson: "application/jsonl",
  xml: "application/xml",
  yaml: "application/yaml",
  yml: "application/yaml",
  pdf: "application/pdf",
  rtf: "application/rtf",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  pptx: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  doc: "application/msword",
  xls: "application/vnd.ms-excel",
  ppt: "application/vnd.ms-powerpoint",
  odt: "application/vnd.oasis.opendocument.text",
  ods: "application/vnd.oasis.opendocument.spreadsheet",
  epub: "application/epub+zip",
  parquet: "application/vnd.apache.parquet",
  sqlite: "application/vnd.sqlite3",
  wasm: "application/wasm",
  zip: "application/zip",
  gz: "application/gzip",
  tgz: "application/gzip",
  tar: "application/x-tar",
  zst: "application/zstd",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  svg: "image/svg+xml",
  bmp: "image/bmp",
  tiff: "image/tiff",
  tif: "image/tiff",
  avif: "image/avif",
  mp3: "audio/mpeg",
  wav: "audio/wav",
  ogg: "audio/ogg",
  mp4: "video/mp4",
  webm: "video/webm",
  mov: "video/quicktime",
};

export const unknownType = "application/octet-stream";

/** By the name alone: what a file holds is never looked at. */
export function typeOfName(filename: string): string {
  const ending = /\.([a-z0-9]+)$/i.exec(filename)?.[1]?.toLowerCase() ?? "";
  return Object.hasOwn(types, ending) ? (types[ending] ?? unknownType) : unknownType;
}

/** With its dot; empty where none is known. */
export function endingOfType(mimeType: string): string {
  const found = Object.entries(types).find(([, type]) => type === mimeType);
  return found ? `.${found[0]}` : "";
}
