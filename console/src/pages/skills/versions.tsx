import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { skills as skillLimits } from "../../../../src/limits/skills.ts";
import type { SkillVersion } from "../../../../src/protocol/skills.ts";
import { ask } from "../../api/request.ts";
import { listOptions } from "../../api/resources.ts";
import { visible } from "../../format/text.ts";
import { Button, buttonClass } from "../../ui/button.tsx";
import { ConfirmButton } from "../../ui/confirm.tsx";
import { Id } from "../../ui/copy.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { DropArea } from "../../ui/drop-area.tsx";
import { More } from "../../ui/more.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { Table } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";
import { uploadSkill } from "./upload-skill.ts";
import { VersionContents } from "./version-contents.tsx";

/** What a skill was and is. */
export function Versions({
  skillId,
  latest,
  onChanged,
}: {
  skillId: string;
  /** The id of the newest. */
  latest: string;
  onChanged: () => void;
}) {
  const path = `/v1/skills/${encodeURIComponent(skillId)}/versions`;
  const list = useInfiniteQuery(listOptions<SkillVersion>(path));
  const [shown, setShown] = useState<SkillVersion | null>(null);
  return (
    <div className="mt-2 space-y-2">
      {list.error && <ProblemNotice error={list.error} retry={() => list.refetch()} />}
      {list.data && (
        <Table
          head={["Version", "Name", "What it is for", "Made", { name: "Actions", of: "acts" }]}
          rows={list.data.map((version) => {
            const { id, name, description, created_at } = version;
            return {
              key: id,
              cells: [
                <span key="id" className="whitespace-nowrap">
                  <Id id={id} /> {id === latest && <span className="text-muted">latest</span>}
                </span>,
                visible(name),
                <span key="for" className="line-clamp-3 min-w-40">
                  {visible(description)}
                </span>,
                <Ago key="made" at={created_at} className="whitespace-nowrap" />,
                <span key="acts" className="inline-flex gap-1">
                  <Button aria-label={`Look at the version ${id}`} onClick={() => setShown(version)}>
                    Look
                  </Button>
                  <a
                    className={buttonClass("plain")}
                    href={`${path}/${id}/content`}
                    download={`${name}.zip`}
                    aria-label={`Download the version ${id}`}
                  >
                    Download
                  </a>
                  <ConfirmButton
                    label="Delete"
                    name={`Delete the version ${id}`}
                    title="Delete this version?"
                    confirmLabel="Delete it"
                    act={async () => {
                      await ask(`${path}/${id}`, { method: "DELETE" });
                      await list.refetch();
                      onChanged();
                    }}
                  >
                    <p>Agents that name it start no more sessions until they name another one.</p>
                  </ConfirmButton>
                </span>,
              ],
            };
          })}
        />
      )}
      <More list={list} />
      <DropArea
        label="Drop its next version here: the folder, or a zip of it"
        accept=".zip,.skill,application/zip"
        bytesMax={skillLimits.skill_bytes_max}
        foldersOf={skillLimits.skill_files_max}
        upload={async (dropped, progress, signal) => {
          await uploadSkill(path, dropped, progress, signal);
          await list.refetch();
          onChanged();
        }}
      />
      <Dialog open={shown !== null} onClose={() => setShown(null)} title={visible(shown?.name ?? "")}>
        {shown && <VersionContents path={`${path}/${shown.id}`} />}
      </Dialog>
    </div>
  );
}
