import { diffLines } from "diff";
import { count } from "../format/number.ts";
import { visible } from "../format/text.ts";
import { cx } from "../ui/cx.ts";
import { Scroll } from "../ui/scroll.tsx";
import { type Body, written } from "./checked.ts";
import { changedNames } from "./merge.ts";

/** Two bodies, field by field and line by line. */
export function Difference({ before, after, label }: { before: Body; after: Body; label: string }) {
  const names = changedNames(before, after);
  return (
    <figure className="mt-2 rounded-md border border-line bg-raised">
      <figcaption className="border-line border-b px-3 py-1.5 text-muted">{label}</figcaption>
      {names.length === 0 && <p className="px-3 py-2">Nothing: they are the same.</p>}
      {names.map((name) => (
        <div key={name} className="border-line border-b px-3 py-2 last:border-b-0">
          <div className="font-mono text-muted text-xs">
            {visible(name)}
            {before[name] === undefined && " (added)"}
            {after[name] === undefined && " (taken out)"}
          </div>
          <Scroll
            className="mt-1 max-h-96 overflow-auto"
            role="region"
            aria-label={`Changes of ${name}: ${label}`}
          >
            <Lines before={textOf(before[name])} after={textOf(after[name])} />
          </Scroll>
        </div>
      ))}
    </figure>
  );
}

const textOf = (value: unknown): string =>
  value === undefined ? "" : `${typeof value === "string" ? value : written(value)}\n`;

/** Of what is the same, so many lines on either side are shown. */
const context = 3;

function Lines({ before, after }: { before: string; after: string }) {
  const parts = diffLines(before, after, { maxEditLength: 4_000 }) ?? [
    { value: before, removed: true, added: false },
    { value: after, removed: false, added: true },
  ];
  let line = 0;
  return (
    <pre className="w-max min-w-full font-mono text-xs">
      {parts.flatMap(({ value, added, removed }, place) => {
        const lines = value.replace(/\n$/, "").split("\n");
        const row = (text: string) => (
          <div
            key={line++}
            className={cx(added && "bg-accent-soft", removed && "bg-bad-soft line-through decoration-bad/40")}
          >
            {added ? "+ " : removed ? "- " : "  "}
            {visible(text)}
          </div>
        );
        const above = place === 0 ? 0 : context;
        const beneath = place === parts.length - 1 ? 0 : context;
        const hidden = lines.length - above - beneath;
        if (added || removed || hidden < 3) return lines.map(row);
        return [
          ...lines.slice(0, above).map(row),
          <div key={line++} className="text-muted">
            {`  … ${count(hidden)} lines`}
          </div>,
          ...(beneath > 0 ? lines.slice(-beneath).map(row) : []),
        ];
      })}
    </pre>
  );
}
