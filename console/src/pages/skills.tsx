import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { useState } from "react";
import type { Skill, SkillVersion } from "../../../src/protocol/skills.ts";
import { ask } from "../api/request.ts";
import { listOptions } from "../api/resources.ts";
import { uploadFile } from "../api/upload.ts";
import { visible } from "../format/text.ts";
import { Button } from "../ui/button.tsx";
import { Id } from "../ui/copy.tsx";
import { DropArea } from "../ui/drop-area.tsx";
import { More } from "../ui/more.tsx";
import { ProblemNotice } from "../ui/notice.tsx";
import { Table } from "../ui/table.tsx";
import { Ago } from "../ui/time.tsx";
import { Page } from "./page.tsx";

export function SkillsPage() {
  const list = useInfiniteQuery(listOptions<Skill>("/v1/skills"));
  const [chosen, setChosen] = useState<string | null>(null);
  return (
    <Page title="Skills">
      <DropArea
        label="Drop the zip of a skill here, or choose it: a folder with a SKILL.md"
        accept=".zip,.skill,application/zip"
        upload={async (file, progress, signal) => {
          await uploadFile("/v1/skills", [["files[]", file, file.name]], progress, signal);
          await list.refetch();
        }}
      />
      {list.error && <ProblemNotice error={list.error} retry={() => list.refetch()} />}
      {list.data?.length === 0 && (
        <p className="mt-4 text-muted">
          A skill is a folder of instructions that agents read when a task needs them. A folder is pushed by{" "}
          <code className="font-mono">drover skills push DIR</code>.
        </p>
      )}
      <ul className="mt-4 divide-y divide-line rounded-lg border border-line bg-raised empty:hidden">
        {list.data?.map(({ id, display_name, source, updated_at }) => (
          <li key={id} className="px-3 py-2">
            <div className="flex items-center gap-3">
              <button
                type="button"
                aria-expanded={chosen === id}
                onClick={() => setChosen(chosen === id ? null : id)}
                className="min-w-0 grow truncate text-left font-medium hover:underline"
              >
                {visible(display_name)}
              </button>
              <Id id={id} />
              <span className="text-muted">{source.type}</span>
              <Ago at={updated_at} className="text-muted" />
            </div>
            {chosen === id && <Versions skillId={id} onChanged={() => list.refetch()} />}
          </li>
        ))}
      </ul>
      <More list={list} />
    </Page>
  );
}

function Versions({ skillId, onChanged }: { skillId: string; onChanged: () => void }) {
  const path = `/v1/skills/${encodeURIComponent(skillId)}/versions`;
  const list = useInfiniteQuery(listOptions<SkillVersion>(path));
  const remove = useMutation({
    mutationFn: (id: string) => ask(`${path}/${id}`, { method: "DELETE" }),
    onSuccess: () => {
      void list.refetch();
      onChanged();
    },
  });
  const error = list.error ?? remove.error;
  return (
    <div className="mt-2 space-y-2">
      {error && <ProblemNotice error={error} />}
      {list.data && (
        <Table
          head={["version", "name", "what it is for", "made", ""]}
          rows={list.data.map(({ id, name, description, created_at }) => ({
            key: id,
            cells: [
              <Id key="id" id={id} />,
              visible(name),
              visible(description),
              <Ago key="made" at={created_at} />,
              <Button
                key="delete"
                look="danger"
                busy={remove.isPending && remove.variables === id}
                onClick={() => remove.mutate(id)}
              >
                Delete
              </Button>,
            ],
          }))}
        />
      )}
      <DropArea
        label="Drop the zip of its next version here, or choose it"
        accept=".zip,.skill,application/zip"
        upload={async (file, progress, signal) => {
          await uploadFile(path, [["files[]", file, file.name]], progress, signal);
          await list.refetch();
          onChanged();
        }}
      />
    </div>
  );
}
