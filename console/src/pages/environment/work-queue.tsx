import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Work, WorkQueueStats } from "../../../../src/protocol/work.ts";
import { ask } from "../../api/request.ts";
import { listOptions, oneOptions } from "../../api/resources.ts";
import { count } from "../../format/number.ts";
import { shortId, visible } from "../../format/text.ts";
import { ConfirmButton } from "../../ui/confirm.tsx";
import { CopyButton } from "../../ui/copy.tsx";
import { More } from "../../ui/more.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { Table } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";

/** What waits for workers, and which of them has what. */
export function WorkQueue({ environmentId }: { environmentId: string }) {
  const path = `/v1/environments/${encodeURIComponent(environmentId)}/work`;
  const stats = useQuery({ ...oneOptions<WorkQueueStats>(`${path}/stats`), refetchInterval: 3_000 });
  const list = useInfiniteQuery({ ...listOptions<Work>(`${path}_items`), refetchInterval: 3_000 });
  const error = stats.error ?? list.error;
  const { data } = stats;
  return (
    <section className="mt-8">
      <h2 className="mb-2 font-semibold">Work</h2>
      {error && <ProblemNotice error={error} />}
      {data && (
        <p className="mb-2 text-muted">
          {count(data.depth)} wait for a worker, {count(data.pending)} are being served,{" "}
          {data.workers_polling === null ? "?" : count(data.workers_polling)} workers ask for work
          {data.oldest_queued_at && (
            <>
              ; the first has waited since <Ago at={data.oldest_queued_at} />
            </>
          )}
          .
        </p>
      )}
      {list.data && list.data.length > 0 && (
        <Table
          head={["Session", "State", "Worker", "Heard of", "Made", { name: "Actions", of: "acts" }]}
          rows={list.data.map(
            ({ id, data: { id: sessionId }, state, worker_id, worker_seen_at, created_at }) => ({
              key: id,
              cells: [
                <Link
                  key="session"
                  to="/sessions/$sessionId"
                  params={{ sessionId }}
                  className="font-mono text-xs hover:underline"
                >
                  {shortId(sessionId)}
                </Link>,
                state,
                visible(worker_id ?? ""),
                worker_seen_at && <Ago key="seen" at={worker_seen_at} />,
                <Ago key="made" at={created_at} />,
                state === "active" || state === "starting" ? (
                  <ConfirmButton
                    key="stop"
                    label="Stop"
                    name={`Stop the work of ${shortId(sessionId)}`}
                    title="Ask the worker to stop?"
                    confirmLabel="Ask it to stop"
                    act={async () => {
                      await ask(`${path}/${id}/stop`, { method: "POST", body: {} });
                      await list.refetch();
                    }}
                  >
                    <p>
                      It ends what it does for the session, and gives it back. The session waits for a worker
                      when it has calls again.
                    </p>
                  </ConfirmButton>
                ) : (
                  ""
                ),
              ],
            }),
          )}
        />
      )}
      {list.data?.length === 0 && (
        <>
          <p className="text-muted">
            A session of this environment is here as soon as it has something to do. Make a key below, and
            start a worker with it:
          </p>
          <p>
            <code className="font-mono break-all">{`drover worker --environment ${environmentId}`}</code>{" "}
            <CopyButton label="copy" text={() => `drover worker --environment ${environmentId}`} />
          </p>
        </>
      )}
      <More list={list} />
    </section>
  );
}
