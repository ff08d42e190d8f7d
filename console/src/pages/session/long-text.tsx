import { createContext, useContext, useState } from "react";
import { bytes } from "../../format/number.ts";
import { visible } from "../../format/text.ts";
import { Button } from "../../ui/button.tsx";

/** What is searched for, in small letters; empty while nothing is. */
export const Wanted = createContext("");

const charsShown = 20_000;
const charsMore = 200_000;
/** What stands before the place that was searched for, where that is far from the beginning. */
const charsBefore = 2_000;

/** Text of any length: its beginning, or what is around the place that is searched for, and more of it when it is asked for. */
export function LongText({ text }: { text: string }) {
  const wanted = useContext(Wanted);
  const [more, setMore] = useState(0);
  if (text.length <= charsShown + more) return <>{visible(text)}</>;
  const found = wanted === "" ? -1 : text.toLowerCase().indexOf(wanted);
  const start = found >= charsShown + more - wanted.length ? wholeFrom(text, found - charsBefore) : 0;
  const end = wholeFrom(text, start + charsShown + more);
  return (
    <>
      {start > 0 && <span className="text-muted">… {bytes(start)} before\n</span>}
      {visible(text.slice(start, end))}
      {end < text.length && (
        <span className="mt-1 flex flex-wrap items-center gap-2 font-sans">
          <span className="text-muted">… {bytes(text.length - end)} more</span>
          <Button onClick={() => setMore(more + charsMore)}>Show more</Button>
        </span>
      )}
    </>
  );
}

/** No character of two halves is cut. */
const wholeFrom = (text: string, at: number): number =>
  (text.charCodeAt(at) & 0xfc00) === 0xdc00 ? at - 1 : Math.max(0, at);
