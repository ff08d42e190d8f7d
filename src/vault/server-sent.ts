/**
 * The data of each server-sent event in what comes, one event after the other, until so many bytes have come. What a chunk costs
 * depends on its own length alone, however it is cut and however long an event is.
 */
export async function* dataOfEvents(
  chunks: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  /** Of the line that has not ended, and of the event. */
  let line = "";
  let data: string[] = [];
  let endsInReturn = false;
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.byteLength;
    if (length > bytesMax) return;
    const text = decoder.decode(chunk, { stream: true });
    if (text === "") continue;
    const [first = "", ...others] = (endsInReturn ? text.replace(/^\n/, "") : text).split(/\r\n|\n|\r/);
    endsInReturn = text.endsWith("\r");
    line += first;
    for (const next of others) {
      if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
      if (line === "" && data.length > 0) {
        yield data.join("\n");
        data = [];
      }
      line = next;
    }
  }
}
