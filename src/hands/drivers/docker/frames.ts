import { PassThrough, type Readable } from "node:stream";

/** A kind (1: output, 2: errors) in the first of eight bytes, and how many follow in the last four. */
const headerBytes = 8;

/** The two outputs of a container, out of the one stream that carries them. */
export function splitFrames(source: Readable): { stdout: Readable; stderr: Readable } {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let rest = Buffer.alloc(0);
  source.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= headerBytes) {
      const end = headerBytes + rest.readUInt32BE(4);
      if (rest.length < end) return;
      (rest[0] === 2 ? stderr : stdout).write(rest.subarray(headerBytes, end));
      rest = rest.subarray(end);
    }
  });
  source.on("close", () => {
    stdout.end();
    stderr.end();
  });
  return { stdout, stderr };
}
