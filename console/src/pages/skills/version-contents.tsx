import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { send } from "../../api/request.ts";
import { bytes } from "../../format/number.ts";
import { visible } from "../../format/text.ts";
import { textOf, unzip, type Zipped } from "../../skills/unzip.ts";
import { cx } from "../../ui/cx.ts";
import { ProblemNotice } from "../../ui/notice.tsx";
import { Preformatted } from "../../ui/scroll.tsx";

/** How much of a file is shown, in characters. */
const shownMax = 200_000;

/** What a version holds, file by file, as text. */
export function VersionContents({ path }: { path: string }) {
  const files = useQuery({
    queryKey: ["contents", path],
    queryFn: async ({ signal }) =>
      unzip(await (await send(`${path}/content`, { signal })).arrayBuffer()).sort((a, b) =>
        a.path < b.path ? -1 : 1,
      ),
    // A version never changes; its contents are not kept once nobody looks.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const [chosen, setChosen] = useState<string | null>(null);
  if (files.error) return <ProblemNotice error={files.error} retry={() => files.refetch()} />;
  if (!files.data) return <p className="text-muted">Loading…</p>;
  const shown =
    files.data.find((file) => file.path === chosen) ??
    files.data.find((file) => /(^|\/)SKILL\.md$/.test(file.path)) ??
    files.data[0];
  return (
    <div>
      <ul className="max-h-40 overflow-auto rounded-md border border-line">
        {files.data.map((file) => (
          <li key={file.path}>
            <button
              type="button"
              aria-pressed={file === shown}
              onClick={() => setChosen(file.path)}
              className={cx(
                "flex w-full gap-2 px-2 py-1 text-left font-mono text-xs hover:bg-sunken",
                file === shown && "bg-accent-soft",
              )}
            >
              <span className="min-w-0 grow break-all">{visible(file.path)}</span>
              <span className="whitespace-nowrap text-muted">{bytes(file.bytes)}</span>
            </button>
          </li>
        ))}
      </ul>
      {shown && <Content key={`${path} ${shown.path}`} path={path} file={shown} />}
    </div>
  );
}

function Content({ path, file }: { path: string; file: Zipped }) {
  const content = useQuery({
    queryKey: ["contents", path, file.path],
    queryFn: async () => textOf(await file.content()),
    retry: false,
    gcTime: 0,
  });
  if (content.error) return <ProblemNotice error={content.error} />;
  if (content.data === undefined) return <p className="mt-2 text-muted">Loading…</p>;
  if (content.data === null) return <p className="mt-2 text-muted">This is no text.</p>;
  return (
    <>
      <Preformatted
        aria-label={`Content of ${file.path}`}
        role="region"
        className="mt-2 max-h-[50dvh] overflow-auto rounded-md border border-line bg-sunken p-2 font-mono text-xs break-words whitespace-pre-wrap"
      >
        {visible(content.data.slice(0, shownMax))}
      </Preformatted>
      {content.data.length > shownMax && (
        <p className="text-muted">There is more: download it to see the rest.</p>
      )}
    </>
  );
}
