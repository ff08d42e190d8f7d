import { useQuery } from "@tanstack/react-query";
import type { Skill } from "../../../../src/protocol/skills.ts";
import { entriesOf, withEntry } from "../../agent/agent-config.ts";
import { oneOptions } from "../../api/resources.ts";
import { mistakeAt } from "../../config/checked.ts";
import type { FormProps } from "../../config/config-editor.tsx";
import { Group } from "../../config/parts.tsx";
import { visible } from "../../format/text.ts";
import { Button } from "../../ui/button.tsx";
import { inputClass, textOf } from "../../ui/field.tsx";

/** What it reads when a task needs it. */
export function SkillsPart({ body, mistakes, onChange }: FormProps) {
  const known = useQuery(oneOptions<{ data: Skill[] }>("/v1/skills?limit=100"));
  const skills = entriesOf(body.skills);
  const set = (list: unknown[]) => onChange({ ...body, skills: list.length > 0 ? list : undefined });
  const free = (known.data?.data ?? []).filter(({ id }) => !skills.some(({ skill_id }) => skill_id === id));
  const nameOf = (id: unknown) => known.data?.data.find((skill) => skill.id === id)?.display_name;
  return (
    <Group
      label="Skills"
      hint={
        known.data?.data.length === 0
          ? "There are none yet: the page Skills takes folders of instructions."
          : "They need the tool read."
      }
      mistake={mistakeAt(mistakes, "skills")}
    >
      {skills.map((skill, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: its id may be what is being typed in the JSON
        <div key={n} className="flex flex-wrap items-center gap-2">
          <span className="min-w-0 grow truncate">
            {visible(nameOf(skill.skill_id) ?? textOf(skill.skill_id))}
          </span>
          <label className="flex items-center gap-1 text-muted">
            version
            <input
              aria-label={`Version of skill ${n + 1}`}
              className={`${inputClass} w-40 font-mono text-xs`}
              placeholder="latest"
              value={textOf(skill.version)}
              onChange={({ target: { value } }) => {
                const { version: _, ...rest } = skill;
                set(withEntry(body.skills, skill, { ...rest, ...(value && { version: value }) }));
              }}
            />
          </label>
          <Button look="quiet" onClick={() => set(withEntry(body.skills, skill, undefined))}>
            Remove skill {n + 1}
          </Button>
        </div>
      ))}
      {free.length > 0 && (
        <select
          aria-label="Add a skill"
          className="min-h-8 max-w-full rounded-md border border-line bg-raised px-2 py-1"
          value=""
          onChange={({ target: { value } }) => {
            const found = free.find(({ id }) => id === value);
            if (!found) return;
            const type = found.source.type === "custom" ? "custom" : "anthropic";
            set(withEntry(body.skills, undefined, { type, skill_id: value }));
          }}
        >
          <option value="">Add a skill…</option>
          {free.map(({ id, display_name }) => (
            <option key={id} value={id}>
              {visible(display_name)}
            </option>
          ))}
        </select>
      )}
    </Group>
  );
}
