import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { FileMetadata } from "../../../../src/protocol/files.ts";
import { send } from "../../api/request.ts";
import { listOptions } from "../../api/resources.ts";
import { mayShow } from "../../format/image-size.ts";
import { bytes } from "../../format/number.ts";
import { fromTerminal, textOf, visible } from "../../format/text.ts";
import { Button, buttonClass } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { More } from "../../ui/more.tsx";
import { Empty, ProblemNotice } from "../../ui/notice.tsx";
import { Preformatted, Scroll } from "../../ui/scroll.tsx";
import { Table } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";
import { LongText } from "./long-text.tsx";

/** What the session has made. */
export function SessionFiles({ sessionId }: { sessionId: string }) {
  const list = useInfiniteQuery({
    ...listOptions<FileMetadata>("/v1/files", { scope_id: sessionId }),
    refetchInterval: 3_000,
  });
  const [shown, setShown] = useState<FileMetadata | null>(null);
  return (
    <Scroll className="h-full overflow-auto p-4">
      {list.error && <ProblemNotice error={list.error} retry={() => list.refetch()} />}
      {list.data?.length === 0 && (
        <Empty title="No files yet">
          What the agent writes to <code className="font-mono">/mnt/session/outputs</code> is shown here
          within a second.
        </Empty>
      )}
      {list.data && list.data.length > 0 && (
        <Table
          head={["File", { name: "Size", of: "numbers" }, "Made", { name: "Actions", of: "acts" }]}
          rows={list.data.map((file) => ({
            key: file.id,
            cells: [
              visible(file.path ?? file.filename),
              bytes(file.size_bytes),
              <Ago key="made" at={file.created_at} />,
              <span key="acts" className="inline-flex items-baseline gap-1">
                {isCopy(file) && <span className="px-2 text-muted">given to the session</span>}
                {file.downloadable && <Download file={file} look={() => setShown(file)} />}
              </span>,
            ],
          }))}
        />
      )}
      <More list={list} />
      <Dialog open={shown !== null} onClose={() => setShown(null)} title={visible(shown?.filename ?? "")}>
        {shown && <Preview file={shown} />}
      </Dialog>
    </Scroll>
  );
}

/** Of what the session was given. It goes with its resource, and not by itself. */
export const isCopy = ({ scope, path }: FileMetadata) => scope != null && path === undefined;

/** To look at it here, if that can be, or to have it. */
export function Download({ file, look }: { file: FileMetadata; look: () => void }) {
  const name = visible(file.filename);
  return (
    <>
      {isShown(file) && (
        <Button aria-label={`Look at ${name}`} onClick={look}>
          Look
        </Button>
      )}
      <a
        className={buttonClass("plain")}
        href={contentOf(file)}
        download={file.filename}
        aria-label={`Download ${name}`}
      >
        Download
      </a>
    </>
  );
}

const contentOf = (file: FileMetadata) => `/v1/files/${file.id}/content`;

const previewBytesMax = 256 << 10;
const imageBytesMax = 10 << 20;
const images = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
/** Pages and drawings too, which are programs: they are shown as they are written. */
const isText = ({ mime_type }: FileMetadata) =>
  mime_type.startsWith("text/") ||
  /^application\/(json|xml|yaml|x-sh|javascript)|^image\/svg/.test(mime_type);
/** Of no known kind, as what has no ending in its name: what it holds says whether it is text. */
const isUnknown = ({ mime_type }: FileMetadata) => mime_type === "application/octet-stream";
const isShown = (file: FileMetadata) =>
  isText(file) || isUnknown(file) || (images.has(file.mime_type) && file.size_bytes <= imageBytesMax);

/** Its beginning as text, whatever it is a text of, or a picture of a kind that holds no script. */
export function Preview({ file }: { file: FileMetadata }) {
  const head = useQuery({
    queryKey: ["preview", file.id],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => {
      const range = { range: `bytes=0-${previewBytesMax - 1}` };
      const response = await send(contentOf(file), {
        signal,
        ...(file.size_bytes > previewBytesMax && { headers: range }),
      });
      return new Uint8Array(await response.arrayBuffer());
    },
  });
  if (head.error) return <ProblemNotice error={head.error} />;
  if (!head.data) return <p className="text-muted">Loading…</p>;
  if (file.size_bytes === 0) return <p className="text-muted">It is empty.</p>;
  if (images.has(file.mime_type))
    return mayShow(head.data) ? (
      <img src={contentOf(file)} alt={visible(file.filename)} className="max-h-[70vh] max-w-full" />
    ) : (
      <p className="text-muted">
        This picture is larger than a browser can hold, or does not say how large it is. It can be downloaded.
      </p>
    );
  const text = textOf(head.data);
  if (text === null)
    return (
      <p className="text-muted">
        It holds no text, and nothing else that can be shown. It can be downloaded.
      </p>
    );
  return (
    <>
      <Preformatted className="max-h-[70vh] overflow-auto font-mono text-xs break-words whitespace-pre-wrap">
        <LongText text={fromTerminal(text)} />
      </Preformatted>
      {file.size_bytes > previewBytesMax && <p className="text-muted">The first {bytes(previewBytesMax)}.</p>}
    </>
  );
}
