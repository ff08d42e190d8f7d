import assert from "node:assert/strict";

/** What a server tells Prometheus now, by series as they are written: `name{label="value"}`. */
export async function scraped(url: string | null): Promise<Map<string, number>> {
  const response = await fetch(url ?? assert.fail("it has no metrics"));
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}
