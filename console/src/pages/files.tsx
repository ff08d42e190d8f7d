import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { FileMetadata } from "../../../src/protocol/files.ts";
import { ask } from "../api/request.ts";
import { listOptions } from "../api/resources.ts";
import { uploadFile } from "../api/upload.ts";
import { bytes } from "../format/number.ts";
import { shortId, visible } from "../format/text.ts";
import { Button, buttonClass } from "../ui/button.tsx";
import { Id } from "../ui/copy.tsx";
import { DropArea } from "../ui/drop-area.tsx";
import { More } from "../ui/more.tsx";
import { ProblemNotice } from "../ui/notice.tsx";
import { Table } from "../ui/table.tsx";
import { Ago } from "../ui/time.tsx";
import { Page } from "./page.tsx";

export function FilesPage() {
  const list = useInfiniteQuery(listOptions<FileMetadata>("/v1/files"));
  const remove = useMutation({
    mutationFn: (id: string) => ask(`/v1/files/${id}`, { method: "DELETE" }),
    onSuccess: () => list.refetch(),
  });
  const error = list.error ?? remove.error;
  return (
    <Page title="Files">
      <DropArea
        label="Drop files here, or choose them"
        upload={async (file, progress, signal) => {
          await uploadFile("/v1/files", [["file", file]], progress, signal);
          await list.refetch();
        }}
      />
      {error && <ProblemNotice error={error} />}
      {list.data && list.data.length > 0 && (
        <div className="mt-4">
          <Table
            head={["file", "size", "type", "of", "made", ""]}
            rows={list.data.map(
              ({ id, filename, size_bytes, mime_type, scope, created_at, downloadable }) => ({
                key: id,
                cells: [
                  <div key="file">
                    {visible(filename)} <Id id={id} />
                  </div>,
                  bytes(size_bytes),
                  visible(mime_type),
                  scope ? (
                    <Link
                      key="scope"
                      to="/sessions/$sessionId"
                      params={{ sessionId: scope.id }}
                      className="font-mono text-xs hover:underline"
                    >
                      {shortId(scope.id)}
                    </Link>
                  ) : (
                    "uploaded"
                  ),
                  <Ago key="made" at={created_at} />,
                  <span key="acts" className="flex gap-1">
                    {downloadable && (
                      <a
                        className={buttonClass("plain")}
                        href={`/v1/files/${id}/content`}
                        download={filename}
                      >
                        Download
                      </a>
                    )}
                    <Button
                      look="danger"
                      busy={remove.isPending && remove.variables === id}
                      onClick={() => remove.mutate(id)}
                    >
                      Delete
                    </Button>
                  </span>,
                ],
              }),
            )}
          />
        </div>
      )}
      {list.data?.length === 0 && (
        <p className="mt-4 text-muted">
          Files are given to sessions, where they lie beneath /mnt, and sessions make them: what lies in
          /mnt/session/outputs is listed here within a second.
        </p>
      )}
      <More list={list} />
    </Page>
  );
}
