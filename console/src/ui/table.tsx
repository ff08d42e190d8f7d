import type { ReactNode } from "react";

export interface TableRow {
  key: string;
  cells: ReactNode[];
}

/** On a narrow screen it is scrolled sideways by itself, and the page is not. */
export function Table({ head, rows }: { head: readonly string[]; rows: readonly TableRow[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
    <div className="overflow-x-auto rounded-lg border border-line bg-raised" tabIndex={0}>
      <table className="w-full text-left">
        <thead>
          <tr className="border-line border-b text-muted">
            {head.map((name, n) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns have their places, and two may have one name
              <th key={n} scope="col" className="px-3 py-1.5 font-normal whitespace-nowrap">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {rows.map(({ key, cells }) => (
            <tr key={key}>
              {cells.map((cell, n) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: as above
                <td key={n} className="px-3 py-1.5 align-top tabular-nums">
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
