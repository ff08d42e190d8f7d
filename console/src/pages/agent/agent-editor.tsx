import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import type { Agent } from "../../../../src/protocol/agents.ts";
import { type Config, type Mistake, read, written } from "../../agent/config.ts";
import { ask } from "../../api/request.ts";
import { Button } from "../../ui/button.tsx";
import { inputClass } from "../../ui/field.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { AgentForm } from "./agent-form.tsx";

/** A configuration as a form and as JSON, side by side: both are the same, and what is saved is the JSON. */
export function AgentEditor({
  initial,
  agent,
  onSaved,
}: {
  initial: Config;
  /** The one that is changed; null for a new one. */
  agent: Agent | null;
  onSaved: (agent: Agent) => void;
}) {
  const [text, setText] = useState(() => written(initial));
  const [config, setConfig] = useState(initial);
  const [mistakes, setMistakes] = useState<Mistake[]>([]);
  const queries = useQueryClient();
  const newest = useRef(text);
  newest.current = text;

  useEffect(() => {
    let over = false;
    void read(text).then(({ config: found, mistakes: all }) => {
      if (over) return;
      setMistakes(all);
      if (found) setConfig(found);
    });
    return () => {
      over = true;
    };
  }, [text]);

  const save = useMutation({
    mutationFn: () => {
      const body = JSON.parse(newest.current) as Config;
      if (!agent) return ask<Agent>("/v1/agents", { method: "POST", body });
      // What was there and is not any more is cleared, and nobody else's change is written over.
      const cleared = Object.fromEntries(
        Object.keys(initial)
          .filter((name) => !(name in body))
          .map((name) => [name, null]),
      );
      return ask<Agent>(`/v1/agents/${agent.id}`, {
        method: "POST",
        body: { ...cleared, ...body, version: agent.version },
      });
    },
    onSuccess: (saved) => {
      void queries.invalidateQueries({ queryKey: ["/v1/agents"] });
      queries.setQueryData([`/v1/agents/${saved.id}`], saved);
      onSaved(saved);
    },
  });
  const whole = mistakes.filter(({ path }) => path === "");

  return (
    <div>
      {save.error && (
        <div className="mb-3">
          <ProblemNotice error={save.error} />
        </div>
      )}
      <div className="grid gap-6 lg:grid-cols-2">
        <AgentForm
          config={config}
          mistakes={mistakes}
          onChange={(changed) => {
            setConfig(changed);
            setText(written(changed));
          }}
        />
        <div className="flex min-h-96 flex-col">
          <label htmlFor="json" className="mb-1 font-medium">
            As JSON
          </label>
          <textarea
            id="json"
            spellCheck={false}
            className={`${inputClass} grow resize-y font-mono text-xs`}
            value={text}
            onChange={(event) => setText(event.target.value)}
            aria-invalid={mistakes.length > 0}
            aria-describedby="mistakes"
          />
          <ul id="mistakes" className="mt-1 text-xs text-bad" aria-live="polite">
            {(whole.length > 0 ? whole : mistakes).map(({ path, message }) => (
              <li key={`${path} ${message}`}>
                {path && <span className="font-mono">{path}: </span>}
                {message}
              </li>
            ))}
          </ul>
        </div>
      </div>
      <div className="mt-4">
        <Button
          look="primary"
          busy={save.isPending}
          disabled={mistakes.length > 0}
          onClick={() => save.mutate()}
        >
          {agent ? `Save as version ${agent.version + 1}` : "Create"}
        </Button>
      </div>
    </div>
  );
}
