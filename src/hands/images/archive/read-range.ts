import { createReadStream, type ReadStream } from "node:fs";

/** Of a file that is open and stays so. */
export const readRange = (fd: number, start: number, size = Number.POSITIVE_INFINITY): ReadStream =>
  createReadStream("", { fd, autoClose: false, start, end: start + size - 1 });
