import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { useState } from "react";
import type { CreatedEnvironmentKey, EnvironmentKey } from "../../../../src/protocol/environment-keys.ts";
import { ask } from "../../api/request.ts";
import { listOptions } from "../../api/resources.ts";
import { visible } from "../../format/text.ts";
import { Button } from "../../ui/button.tsx";
import { CopyButton } from "../../ui/copy.tsx";
import { Notice, ProblemNotice } from "../../ui/notice.tsx";
import { Table } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";

/** The keys with which workers ask for the work of an environment. A new one is shown once. */
export function WorkerKeys({ environmentId }: { environmentId: string }) {
  const path = `/v1/environments/${encodeURIComponent(environmentId)}/keys`;
  const keys = useInfiniteQuery(listOptions<EnvironmentKey>(path));
  const [made, setMade] = useState<CreatedEnvironmentKey | null>(null);
  const create = useMutation({
    mutationFn: () => ask<CreatedEnvironmentKey>(path, { method: "POST", body: {} }),
    onSuccess(key) {
      setMade(key);
      void keys.refetch();
    },
  });
  const revoke = useMutation({
    mutationFn: (id: string) => ask(`${path}/${id}`, { method: "DELETE" }),
    onSuccess: () => keys.refetch(),
  });
  const error = keys.error ?? create.error ?? revoke.error;
  return (
    <section className="mt-8">
      <div className="mb-2 flex items-center gap-2">
        <h2 className="grow font-semibold">Keys of workers</h2>
        <Button busy={create.isPending} onClick={() => create.mutate()}>
          New key
        </Button>
      </div>
      {error && <ProblemNotice error={error} />}
      {made && (
        <Notice tone="warn" className="mb-2">
          This is shown once: <code className="font-mono break-all">{made.key}</code>{" "}
          <CopyButton label="copy" text={() => made.key} />
        </Notice>
      )}
      {keys.data && keys.data.length > 0 ? (
        <Table
          head={["key", "name", "made", "used", ""]}
          rows={keys.data.map(({ id, name, created_at, last_used_at }) => ({
            key: id,
            cells: [
              <span key="id" className="font-mono text-xs">
                {id}
              </span>,
              visible(name ?? ""),
              <Ago key="made" at={created_at} />,
              last_used_at ? <Ago key="used" at={last_used_at} /> : "never",
              <Button key="revoke" look="danger" busy={revoke.isPending} onClick={() => revoke.mutate(id)}>
                Revoke
              </Button>,
            ],
          }))}
        />
      ) : (
        <p className="text-muted">
          A worker needs one: <code className="font-mono">drover worker</code>, or one of the SDK, asks with
          it for the sessions of this environment.
        </p>
      )}
    </section>
  );
}
