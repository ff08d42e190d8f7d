import { diffLines } from "diff";
import { visible } from "../../format/text.ts";
import { cx } from "../../ui/cx.ts";

/** Two texts, line by line. */
export function Difference({ before, after, label }: { before: string; after: string; label: string }) {
  let line = 0;
  return (
    <figure className="mt-2 overflow-auto rounded-md border border-line bg-raised p-2">
      <figcaption className="mb-1 text-muted">{label}</figcaption>
      <pre className="font-mono text-xs">
        {diffLines(before, after).flatMap(({ value, added, removed }) =>
          value
            .replace(/\n$/, "")
            .split("\n")
            .map((text) => (
              <div
                key={line++}
                className={cx(
                  added && "bg-accent-soft",
                  removed && "bg-bad-soft line-through decoration-bad/40",
                )}
              >
                {added ? "+ " : removed ? "- " : "  "}
                {visible(text)}
              </div>
            )),
        )}
      </pre>
    </figure>
  );
}
