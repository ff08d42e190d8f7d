import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { files as fileLimits } from "../../../src/limits/files.ts";
import type { FileMetadata } from "../../../src/protocol/files.ts";
import { ask } from "../api/request.ts";
import { listOptions } from "../api/resources.ts";
import { uploadDropped } from "../api/upload.ts";
import { bytes } from "../format/number.ts";
import { shortId, visible } from "../format/text.ts";
import { ConfirmButton } from "../ui/confirm.tsx";
import { Id } from "../ui/copy.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { DropArea, type Upload } from "../ui/drop-area.tsx";
import { More } from "../ui/more.tsx";
import { ProblemNotice } from "../ui/notice.tsx";
import { Table } from "../ui/table.tsx";
import { Ago, Due } from "../ui/time.tsx";
import { Page } from "./page.tsx";
import { Download, isCopy, Preview } from "./session/session-files.tsx";

export function FilesPage() {
  const list = useInfiniteQuery(listOptions<FileMetadata>("/v1/files"));
  const [shown, setShown] = useState<FileMetadata | null>(null);
  const upload: Upload = async (dropped, progress, signal) => {
    await uploadDropped(dropped, progress, signal);
    await list.refetch();
  };
  return (
    <Page title="Files">
      <DropArea label="Drop files here" bytesMax={fileLimits.file_bytes_max} upload={upload} />
      {list.error && <ProblemNotice error={list.error} retry={() => list.refetch()} />}
      {list.data && list.data.length > 0 && (
        <div className="mt-4">
          <Table
            head={[
              "File",
              { name: "Size", of: "numbers" },
              "Type",
              "Of",
              "Made",
              { name: "Actions", of: "acts" },
            ]}
            rows={list.data.map((file) => ({
              key: file.id,
              cells: [
                <div key="file" className="min-w-40">
                  <span className="break-all">{visible(file.path ?? file.filename)}</span>{" "}
                  <Id id={file.id} className="-ml-1" />
                </div>,
                <span key="size" className="whitespace-nowrap">
                  {bytes(file.size_bytes)}
                </span>,
                visible(file.mime_type),
                file.scope ? (
                  <Link
                    key="scope"
                    to="/sessions/$sessionId"
                    params={{ sessionId: file.scope.id }}
                    className="whitespace-nowrap font-mono text-xs underline"
                  >
                    {shortId(file.scope.id)}
                  </Link>
                ) : (
                  "uploaded"
                ),
                <span key="made" className="whitespace-nowrap">
                  <Ago at={file.created_at} />
                  {file.expires_at && (
                    <span className="block text-muted text-xs">
                      goes <Due at={file.expires_at} />
                    </span>
                  )}
                </span>,
                <FileActs
                  key="acts"
                  file={file}
                  look={() => setShown(file)}
                  onDeleted={() => list.refetch()}
                />,
              ],
            }))}
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
      <Dialog open={shown !== null} onClose={() => setShown(null)} title={visible(shown?.filename ?? "")}>
        {shown && <Preview file={shown} />}
      </Dialog>
    </Page>
  );
}

function FileActs({
  file,
  look,
  onDeleted,
}: {
  file: FileMetadata;
  look: () => void;
  onDeleted: () => unknown;
}) {
  const name = visible(file.filename);
  return (
    <span className="inline-flex gap-1">
      {file.downloadable && <Download file={file} look={look} />}
      {!isCopy(file) && (
        <ConfirmButton
          label="Delete"
          name={`Delete ${name}`}
          title={`Delete ${name}?`}
          confirmLabel="Delete it"
          act={async () => {
            await ask(`/v1/files/${file.id}`, { method: "DELETE" });
            await onDeleted();
          }}
        >
          <p>It is gone then, and cannot be given to sessions any more.</p>
        </ConfirmButton>
      )}
    </span>
  );
}
