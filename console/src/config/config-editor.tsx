import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import type { z } from "zod";
import { visible } from "../format/text.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmButton } from "../ui/confirm.tsx";
import { CopyButton } from "../ui/copy.tsx";
import { cx } from "../ui/cx.ts";
import { LeaveGuard } from "../ui/leave-guard.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { Preformatted } from "../ui/scroll.tsx";
import { type Body, checked, type Mistake, refusedFields, written } from "./checked.ts";
import { Difference } from "./difference.tsx";
import { JsonPane } from "./json-pane.tsx";
import { merged, same } from "./merge.ts";

export interface FormProps {
  body: Body;
  mistakes: readonly Mistake[];
  onChange: (body: Body) => void;
}

/** What is on the server, and which state of it: whoever saves has begun from one, and writes over no other. */
export interface Stored {
  body: Body;
  mark: string | number;
}

/** A body as a form and as JSON, side by side: both are the same, and what is saved is the JSON. */
export function ConfigEditor({
  stored,
  initial = {},
  fields,
  schema,
  form,
  isArchived = false,
  saveLabel,
  save,
  look,
  offered,
}: {
  /** Null for what is not there yet. */
  stored: Stored | null;
  /** Of a new one. */
  initial?: Body;
  /** What a body may have at its top. */
  fields: readonly string[];
  /** The server's own; it comes when it is needed. */
  schema: () => Promise<z.ZodType>;
  form: (props: FormProps) => ReactNode;
  /** It cannot be changed any more; what is not saved by then can be copied. */
  isArchived?: boolean;
  saveLabel: string;
  /** What is stored then, and what is to be done once nothing is unsaved here. */
  save: (body: Body, base: Stored) => Promise<{ stored: Stored; onceSaved: () => void }>;
  /** Looks at the server again; what is there comes as `stored`. */
  look?: () => unknown;
  /** A body to go on with, such as that of an older version: another object, another offer. */
  offered?: Body | null;
}) {
  const [base, setBase] = useState<Stored>(stored ?? { body: initial, mark: "" });
  const [{ text, good }, setState] = useState({ text: written(base.body), good: base.body });
  const [loaded, setLoaded] = useState<z.ZodType | null>(null);
  const [clashes, setClashes] = useState<string[] | null>(null);
  const [pane, setPane] = useState<"form" | "json">("form");
  const [taken, setTaken] = useState(offered);
  /** What was not saved yet when something else was offered. */
  const [aside, setAside] = useState<string | null>(null);
  const textRef = useRef(text);
  textRef.current = text;
  const changedRef = useRef(false);

  useEffect(() => {
    let over = false;
    void schema().then((come) => {
      if (!over) setLoaded(come);
    });
    return () => {
      over = true;
    };
  }, [schema]);

  const { body, mistakes: found } = useMemo(() => checked(text, loaded), [text, loaded]);
  const tidy = useMemo(
    () => (body && !found.some(({ at }) => at !== undefined) ? written(body) : null),
    [body, found],
  );
  const isChanged = body === null || !same(body, base.body);
  changedRef.current = isChanged;

  function write(changed: string): void {
    setState((before) => ({ text: changed, good: checked(changed, null).body ?? before.good }));
  }
  function begin(from: Stored, at: Body = from.body): void {
    setBase(from);
    write(written(at));
    saving.reset();
  }

  const saving = useMutation({
    mutationFn: async ({ body }: { body: Body; text: string }) => save(body, base),
    onSuccess(done, { text: sent }) {
      setClashes(null);
      if (textRef.current === sent) {
        begin(done.stored);
        // The guard asks before the page is drawn anew.
        changedRef.current = false;
      } else {
        // What was typed meanwhile is yet to be saved.
        setBase(done.stored);
      }
      done.onceSaved();
    },
    onError: () => look?.(),
  });
  const refused =
    saving.error && saving.variables?.text === text ? refusedFields(saving.error, fields) : null;
  const mistakes = [...found, ...(refused ?? [])];

  if (offered && offered !== taken) {
    setTaken(offered);
    if (isChanged) setAside(text);
    write(written(offered));
  }
  const isNewer = stored !== null && stored.mark !== base.mark && !saving.isPending;
  if (isNewer && !isChanged) {
    setBase(stored);
    setState({ text: written(stored.body), good: stored.body });
  }
  const theirs = isNewer && isChanged && !isArchived ? stored : null;
  const maySave = !isArchived && body !== null && loaded !== null && found.length === 0 && theirs === null;
  // Once it is made, another page goes on with it.
  const isMaking = stored === null && saving.isPending;
  const mayNotYet = !maySave || (stored !== null && !isChanged);
  const submit = () => {
    if (!mayNotYet && !saving.isPending && body) saving.mutate({ body, text });
  };

  const submitRef = useRef(submit);
  submitRef.current = submit;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.key !== "s") return;
      event.preventDefault();
      submitRef.current();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  if (isArchived && !isChanged)
    return (
      <Preformatted className="max-h-[70dvh] overflow-auto rounded-md border border-line bg-raised p-3 font-mono text-xs">
        {visible(written(base.body))}
      </Preformatted>
    );
  return (
    <div>
      <LeaveGuard isChanged={() => changedRef.current} />
      {isArchived && (
        <Notice tone="warn" className="mb-3">
          What you have changed here was not saved before, and cannot be any more. It stays for as long as you
          do. <CopyButton text={() => text} label="copy it as JSON" />
        </Notice>
      )}
      {aside !== null && aside !== text && (
        <Notice className="mb-3">
          What you had written before is not saved, and not lost.{" "}
          <Button
            onClick={() => {
              write(aside);
              setAside(null);
            }}
          >
            Back to what I had written
          </Button>
        </Notice>
      )}
      {theirs && (
        <Conflict
          base={base.body}
          mine={body}
          theirs={theirs.body}
          keepBoth={() => {
            if (!body) return;
            const result = merged(base.body, body, theirs.body);
            begin(theirs, result.body);
            setClashes(result.clashes);
          }}
          takeTheirs={() => begin(theirs)}
        />
      )}
      {clashes !== null && !theirs && (
        <Notice tone={clashes.length > 0 ? "warn" : "plain"} className="mb-3">
          Both changes are here now, and not saved yet.{" "}
          {clashes.length > 0 && `Where both had changed the same, yours stands: ${clashes.join(", ")}.`}
        </Notice>
      )}
      <fieldset aria-label="How to edit" className="mb-3 flex gap-1 lg:hidden">
        {(["form", "json"] as const).map((name) => (
          <Button
            key={name}
            look={pane === name ? "primary" : "plain"}
            aria-pressed={pane === name}
            onClick={() => setPane(name)}
          >
            {name === "form" ? "Form" : "JSON"}
          </Button>
        ))}
      </fieldset>
      <div className="grid gap-6 lg:grid-cols-2">
        <div className={cx("min-w-0", pane !== "form" && "hidden lg:block")}>
          {body === null && (
            <Notice tone="warn" className="mb-3">
              The form waits until the JSON can be read again.{" "}
              <Button onClick={() => write(written(good))}>Back to what could be read last</Button>
            </Notice>
          )}
          <fieldset disabled={body === null || isMaking} className="min-w-0 disabled:opacity-60">
            {form({ body: body ?? good, mistakes, onChange: (next) => write(written(next)) })}
          </fieldset>
        </div>
        <div className={cx("min-w-0", pane !== "json" && "hidden lg:block")}>
          <JsonPane text={text} tidy={tidy} mistakes={mistakes} readOnly={isMaking} onChange={write} />
        </div>
      </div>
      {saving.error && !refused && !theirs && saving.variables?.text === text && (
        <div className="mt-3">
          <ProblemNotice error={saving.error} />
        </div>
      )}
      {isChanged && body && stored && !theirs && (
        <details className="mt-4">
          <summary className="text-muted">What you have changed</summary>
          <Difference before={base.body} after={body} label="Not saved yet" />
        </details>
      )}
      <div className="sticky bottom-0 z-1 mt-4 flex flex-wrap items-center gap-2 border-line border-t bg-page py-3">
        <Button look="primary" busy={saving.isPending} disabled={mayNotYet} onClick={submit}>
          {saveLabel}
        </Button>
        {stored && isChanged && (
          <ConfirmButton
            label="Take back"
            look="plain"
            title="Take back all changes?"
            confirmLabel="Take them back"
            act={async () => begin(stored)}
          >
            <p>What you have changed since it was saved last goes away.</p>
          </ConfirmButton>
        )}
        <span className="text-muted" role="status">
          {mistakes.length > 0
            ? `${mistakes.length === 1 ? "One thing is" : `${mistakes.length} things are`} to be mended first.`
            : stored && isChanged && !isArchived
              ? "Not saved yet. Ctrl+S saves."
              : ""}
        </span>
      </div>
    </div>
  );
}

/** Somebody else has saved meanwhile: what they have changed, what oneself has, and that nothing of either is lost. */
function Conflict({
  base,
  mine,
  theirs,
  keepBoth,
  takeTheirs,
}: {
  base: Body;
  mine: Body | null;
  theirs: Body;
  keepBoth: () => void;
  takeTheirs: () => void;
}) {
  return (
    <Notice tone="warn" className="mb-4">
      <p className="font-medium">Somebody else has saved this while you were editing it.</p>
      <p className="mt-1">Nothing of yours is saved yet, and nothing of theirs is lost.</p>
      <Difference before={base} after={theirs} label="What they have changed" />
      {mine ? (
        <Difference before={base} after={mine} label="What you have changed" />
      ) : (
        <p className="mt-2">Your JSON cannot be read: mend it first.</p>
      )}
      <div className="mt-3 flex flex-wrap gap-2">
        <Button look="primary" disabled={mine === null} onClick={keepBoth}>
          Put mine onto theirs
        </Button>
        <ConfirmButton
          label="Take theirs"
          title="Give up your changes?"
          confirmLabel="Give them up"
          act={async () => takeTheirs()}
        >
          <p>What you have changed goes away, and the editor shows what they have saved.</p>
        </ConfirmButton>
      </div>
    </Notice>
  );
}
