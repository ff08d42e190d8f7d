/** What stands on a terminal's screen after all that was written to it: text, line ends, and the sequences that Drover uses. */
export function screenOf(written: string, columns: number): string[] {
  const rows: string[][] = [[]];
  let [y, x] = [0, 0];
  const row = () => {
    while (rows.length <= y) rows.push([]);
    return rows[y] as string[];
  };
  for (const [token, , count, command] of written.matchAll(/(\u001b\[\??([\d;]*)([A-Za-z]))|[\s\S]/gu)) {
    const n = Number(count || 0);
    if (command === "A") y = Math.max(0, y - (n || 1));
    else if (command === "G") x = Math.max(0, n - 1);
    // At the end of a full row the cursor stands on its last letter still.
    else if (command === "K" || command === "J") {
      row().length = Math.min(row().length, Math.min(x, columns - 1));
      if (command === "J") rows.length = y + 1;
    } else if (command === "m" || command === "h" || command === "l") continue;
    else if (token === "\r") x = 0;
    else if (token === "\n") y += 1;
    else if (command === undefined) {
      if (x === columns) [y, x] = [y + 1, 0];
      const at = row();
      while (at.length < x) at.push(" ");
      at[x] = token;
      x += 1;
    } else throw new Error(`the screen does not know ${JSON.stringify(token)}`);
  }
  return rows.map((cells) => cells.join("").trimEnd());
}
