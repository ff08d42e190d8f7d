import type { ReactNode } from "react";
import { cx } from "./cx.ts";

/** Numbers stand flush right, one below the other; what can be done with a row is at its end. */
export type Column = string | { name: string; of: "numbers" | "acts" };

export interface TableRow {
  key: string;
  cells: ReactNode[];
}

const looks = { words: "", numbers: "text-right whitespace-nowrap", acts: "text-right" } as const;
const nameOf = (column: Column) => (typeof column === "string" ? column : column.name);
const kindOf = (column: Column | undefined) =>
  typeof column === "string" || column === undefined ? "words" : column.of;

/** On a narrow screen it is scrolled sideways by itself, and the page is not. */
export function Table({ head, rows }: { head: readonly Column[]; rows: readonly TableRow[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
    <div className="relative overflow-x-auto rounded-lg border border-line bg-raised" tabIndex={0}>
      <table className="w-full text-left">
        <thead>
          <tr className="border-line border-b text-muted">
            {head.map((column, n) => (
              <th
                // biome-ignore lint/suspicious/noArrayIndexKey: columns have their places, and two may have one name
                key={n}
                scope="col"
                className={cx("px-3 py-1.5 font-normal whitespace-nowrap", looks[kindOf(column)])}
              >
                {kindOf(column) === "acts" ? (
                  <span className="sr-only">{nameOf(column)}</span>
                ) : (
                  nameOf(column)
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {rows.map(({ key, cells }) => (
            <tr key={key}>
              {cells.map((cell, n) => (
                <td
                  // biome-ignore lint/suspicious/noArrayIndexKey: as above
                  key={n}
                  className={cx("px-3 py-1.5 align-baseline tabular-nums", looks[kindOf(head[n])])}
                >
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
