import { exits, Failure } from "../exits.ts";

/** Things that are asked for by their id or by their name, which several may have. */
export interface Named {
  id: string;
  name: string;
}

/** The id of what is named. An id is taken as it is: whether it is there the server says. */
export async function idOf(
  noun: string,
  text: string,
  prefix: string,
  all: () => AsyncIterable<Named>,
): Promise<string> {
  if (new RegExp(`^${prefix}_\\w+$`).test(text)) return text;
  const found: string[] = [];
  for await (const { id, name } of all()) if (name === text || id === text) found.push(id);
  const [only, another] = found;
  if (only === undefined)
    throw new Failure(
      `there is no ${noun} ${JSON.stringify(text)}: drover ${noun}s ls shows them`,
      exits.not_found,
    );
  if (another === undefined) return only;
  throw new Failure(
    `${found.length} ${noun}s are called ${JSON.stringify(text)}, take an id: ${found.join(", ")}`,
  );
}
