import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { skills as skillLimits } from "../../../src/limits/skills.ts";
import type { Skill } from "../../../src/protocol/skills.ts";
import { ask } from "../api/request.ts";
import { listOptions } from "../api/resources.ts";
import { visible } from "../format/text.ts";
import { ConfirmButton } from "../ui/confirm.tsx";
import { Id } from "../ui/copy.tsx";
import { DropArea } from "../ui/drop-area.tsx";
import { More } from "../ui/more.tsx";
import { ProblemNotice } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { Page } from "./page.tsx";
import { uploadSkill } from "./skills/upload-skill.ts";
import { Versions } from "./skills/versions.tsx";

const route = getRouteApi("/shell/skills");

export function SkillsPage() {
  const list = useInfiniteQuery(listOptions<Skill>("/v1/skills"));
  // The address says whose versions are shown.
  const { skill: chosen } = route.useSearch();
  const navigate = route.useNavigate();
  const choose = (skill: string | undefined) =>
    void navigate({ search: { skill }, replace: true, resetScroll: false });
  return (
    <Page title="Skills">
      <DropArea
        label="Drop the folder of a skill here, or a zip of it"
        hint="It has a SKILL.md at its top."
        accept=".zip,.skill,application/zip"
        bytesMax={skillLimits.skill_bytes_max}
        foldersOf={skillLimits.skill_files_max}
        upload={async (dropped, progress, signal) => {
          await uploadSkill("/v1/skills", dropped, progress, signal);
          await list.refetch();
        }}
      />
      {list.error && <ProblemNotice error={list.error} retry={() => list.refetch()} />}
      {list.data?.length === 0 && (
        <div className="mt-4 text-muted">
          <p>
            A skill is a folder of instructions that agents read when a task needs them. Its SKILL.md begins
            with what it is called and when it is to be read:
          </p>
          <pre className="my-2 font-mono text-xs">
            {"---\nname: release-notes\ndescription: How we write release notes.\n---\nBegin with …"}
          </pre>
          <p>
            It is uploaded here, or by <code className="font-mono">drover skills push DIR</code>, and then
            added to an agent.
          </p>
        </div>
      )}
      <ul className="mt-4 divide-y divide-line rounded-lg border border-line bg-raised empty:hidden">
        {list.data?.map(({ id, display_name, source, updated_at, latest_version_id }) => {
          const name = visible(display_name);
          return (
            <li key={id} className="px-3 py-2">
              <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
                <button
                  type="button"
                  aria-expanded={chosen === id}
                  onClick={() => choose(chosen === id ? undefined : id)}
                  className="min-w-0 grow truncate text-left font-medium hover:underline"
                >
                  {name}
                </button>
                <Id id={id} />
                <span className="text-muted">{source.type}</span>
                <Ago at={updated_at} className="text-muted" />
                <ConfirmButton
                  label="Delete"
                  name={`Delete ${name}`}
                  title={`Delete ${name}?`}
                  confirmLabel="Delete it"
                  act={async () => {
                    await ask(`/v1/skills/${id}`, { method: "DELETE" });
                    await list.refetch();
                  }}
                >
                  <p>
                    All its versions go with it. Agents that name it start no more sessions until it is taken
                    out of them.
                  </p>
                </ConfirmButton>
              </div>
              {chosen === id && (
                <Versions skillId={id} latest={latest_version_id} onChanged={() => list.refetch()} />
              )}
            </li>
          );
        })}
      </ul>
      <More list={list} />
    </Page>
  );
}
