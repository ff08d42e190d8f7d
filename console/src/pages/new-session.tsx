import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { files as fileLimits } from "../../../src/limits/files.ts";
import { ask } from "../api/request.ts";
import { listOptions } from "../api/resources.ts";
import { uploadDropped } from "../api/upload.ts";
import { shortId, visible } from "../format/text.ts";
import { freshKey } from "../session/actions.ts";
import { Button } from "../ui/button.tsx";
import { DropArea } from "../ui/drop-area.tsx";
import { Field, inputClass, TextField } from "../ui/field.tsx";
import { LeaveGuard } from "../ui/leave-guard.tsx";
import { ProblemNotice } from "../ui/notice.tsx";
import { RepositoriesPart, type Repository, resourceOf } from "./new-session/repositories-part.tsx";
import { Page } from "./page.tsx";

const route = getRouteApi("/shell/sessions/new");

interface Named {
  id: string;
  name?: string;
  display_name?: string;
  /** Of an environment. */
  config?: { type: string };
}

interface Given {
  agent: string;
  environment_id: string;
  title: string;
  task: string;
  dollars: string;
  vault_ids: readonly string[];
  files: readonly { id: string; name: string }[];
  repositories: readonly Repository[];
}

/** What the server is asked for: nothing is named that was left empty. */
const bodyOf = ({ agent, environment_id, title, task, dollars, vault_ids, files, repositories }: Given) => {
  const resources = [
    ...files.map(({ id }) => ({ type: "file", file_id: id })),
    ...repositories.flatMap((repository) => resourceOf(repository) ?? []),
  ];
  return {
    agent,
    environment_id,
    ...(title.trim() !== "" && { title: title.trim() }),
    ...(vault_ids.length > 0 && { vault_ids }),
    ...(resources.length > 0 && { resources }),
    ...(dollars !== "" && {
      budget: {
        type: "limit",
        max_list_cost: { amount: String(Math.round(Number(dollars) * 100)), currency: "USD" },
      },
    }),
    ...(task.trim() !== "" && {
      initial_events: [{ type: "user.message", content: [{ type: "text", text: task }] }],
    }),
  };
};

/** An agent is put to work: where, with what, and on what. */
export function NewSessionPage() {
  const { agent = "" } = route.useSearch();
  const navigate = useNavigate();
  const [given, setGiven] = useState<Given>({
    agent,
    environment_id: "",
    title: "",
    task: "",
    dollars: "",
    vault_ids: [],
    files: [],
    repositories: [],
  });
  const change = (part: Partial<Given>) => setGiven((before) => ({ ...before, ...part }));
  const agents = useAll("/v1/agents");
  const environments = useAll("/v1/environments");
  const vaults = useAll("/v1/vaults");
  const [firstAgent] = agents.items;
  // One that works at once: who has workers of their own knows to choose them.
  const firstEnvironment = environments.items.find((each) => !isSelfHosted(each)) ?? environments.items[0];
  const isGiven = agents.isMore || agents.items.some(({ id }) => id === given.agent);
  const chosen = {
    ...given,
    agent: (isGiven && given.agent) || (firstAgent?.id ?? ""),
    environment_id: given.environment_id || (firstEnvironment?.id ?? ""),
  };
  const [uploading, setUploading] = useState(0);
  const started = useRef(false);
  const isWritten = () =>
    !started.current &&
    (given.task.trim() !== "" || given.files.length > 0 || given.repositories.some(({ url }) => url !== ""));
  // Asked again after a lost answer it is the same session, and after a change another one.
  const body = JSON.stringify(bodyOf(chosen));
  const key = useRef({ body: "", key: "" });
  const create = useMutation({
    mutationFn: () => {
      if (key.current.body !== body) key.current = { body, key: freshKey() };
      return ask<{ id: string }>("/v1/sessions", {
        method: "POST",
        body: JSON.parse(body),
        headers: { "idempotency-key": key.current.key },
      });
    },
    // The token of a repository is not kept beyond the form.
    gcTime: 0,
    onSuccess: ({ id }) => {
      started.current = true;
      return navigate({ to: "/sessions/$sessionId", params: { sessionId: id } });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  const problem = agents.error ?? environments.error ?? vaults.error;

  return (
    <Page title="New session">
      <LeaveGuard title="Leave without starting it?" isChanged={isWritten}>
        What you have written here would be lost.
      </LeaveGuard>
      <form onSubmit={submit} className="max-w-2xl space-y-4" autoComplete="off">
        {problem && <ProblemNotice error={problem} />}
        <Choice
          label="Agent"
          all={agents}
          value={chosen.agent}
          onChange={(id) => change({ agent: id })}
          hint={
            given.agent !== "" &&
            !isGiven &&
            "The one that was asked for starts no sessions any more: choose another."
          }
          none={
            <>
              There is none yet: <Link to="/agents/new">make one</Link> first.
            </>
          }
        />
        <Choice
          label="Environment"
          all={environments}
          value={chosen.environment_id}
          onChange={(id) => change({ environment_id: id })}
          none={
            <>
              There is none yet: <Link to="/environments/new">make one</Link> first.
            </>
          }
        />
        <Field
          label="What is to be done"
          hint="The first message. If it is empty, the session waits for one."
        >
          {(props) => (
            <textarea
              {...props}
              rows={4}
              className={inputClass}
              value={given.task}
              onChange={(event) => change({ task: event.target.value })}
            />
          )}
        </Field>
        <TextField label="Title" value={given.title} onChange={(title) => change({ title })} />
        <fieldset>
          <legend className="mb-1 font-medium">Vaults</legend>
          {vaults.items.length === 0 && <p className="text-muted">None.</p>}
          {vaults.items.map((vault) => (
            <label key={vault.id} className="flex items-center gap-2 py-0.5">
              <input
                type="checkbox"
                checked={given.vault_ids.includes(vault.id)}
                onChange={({ target: { checked } }) =>
                  change({
                    vault_ids: checked
                      ? [...given.vault_ids, vault.id]
                      : given.vault_ids.filter((id) => id !== vault.id),
                  })
                }
              />
              <span className="min-w-0 wrap-anywhere">{nameOf(vault)}</span>
            </label>
          ))}
        </fieldset>
        <div>
          <h2 className="mb-1 font-medium">Files</h2>
          <DropArea
            label="Drop files here: they lie beneath /mnt in the sandbox"
            bytesMax={fileLimits.file_bytes_max}
            onPending={setUploading}
            upload={async (dropped, progress, signal) => {
              const { id, filename } = await uploadDropped(dropped, progress, signal);
              setGiven((before) => ({ ...before, files: [...before.files, { id, name: filename }] }));
            }}
          />
          <ul className="mt-1">
            {given.files.map(({ id, name }) => (
              <li key={id} className="flex items-center gap-2">
                <span className="min-w-0 truncate">{visible(name)}</span>
                <Button
                  look="quiet"
                  aria-label={`Leave ${visible(name)} out`}
                  onClick={() => change({ files: given.files.filter((file) => file.id !== id) })}
                >
                  ✕
                </Button>
              </li>
            ))}
          </ul>
        </div>
        <RepositoriesPart
          repositories={given.repositories}
          onChange={(repositories) => change({ repositories })}
        />
        <Field
          label="Budget"
          hint="What it may cost, in dollars at list prices. Without one it has no limit."
        >
          {(props) => (
            <input
              {...props}
              type="number"
              min="0.01"
              step="0.01"
              className={inputClass}
              value={given.dollars}
              onChange={(event) => change({ dollars: event.target.value })}
            />
          )}
        </Field>
        {create.error && <ProblemNotice error={create.error} />}
        <Button
          type="submit"
          look="primary"
          busy={create.isPending}
          disabled={chosen.agent === "" || chosen.environment_id === "" || uploading > 0}
        >
          Start
        </Button>
        <p role="status" className="text-muted">
          {uploading > 0 && "It can be started once its files are here."}
        </p>
      </form>
    </Page>
  );
}

interface All {
  items: Named[];
  error: Error | null;
  /** There is more of it that is not here yet. */
  isMore: boolean;
}

/** Every page of a list: what can be chosen. */
function useAll(path: string): All {
  const list = useInfiniteQuery(listOptions<Named>(path));
  const { hasNextPage, isFetching, fetchNextPage } = list;
  useEffect(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);
  return { items: list.data ?? [], error: list.error, isMore: list.isPending || hasNextPage };
}

const isSelfHosted = ({ config }: Named) => config?.type === "self_hosted";
const nameOf = ({ id, name, display_name }: Named) => visible(name || display_name || shortId(id));

function Choice({
  label,
  all: { items, isMore },
  value,
  onChange,
  hint,
  none,
}: {
  label: string;
  all: All;
  value: string;
  onChange: (id: string) => void;
  hint?: ReactNode;
  none: ReactNode;
}) {
  return (
    <Field label={label} hint={!isMore && items.length === 0 ? none : hint}>
      {(props) => (
        <select
          {...props}
          className={inputClass}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        >
          {value !== "" && !items.some(({ id }) => id === value) && (
            <option value={value}>{shortId(value)}</option>
          )}
          {items.map((item) => (
            <option key={item.id} value={item.id}>
              {nameOf(item)} ({isSelfHosted(item) ? "your own workers, " : ""}
              {shortId(item.id)})
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
