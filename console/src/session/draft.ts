import type { EventParams } from "../../../src/protocol/events.ts";
import type { FileMetadata } from "../../../src/protocol/files.ts";
import { freshKey } from "./actions.ts";

/** A message that is being written. It outlives the page that shows it, but not its tab. */
export interface Draft {
  text: string;
  files: readonly DraftFile[];
  /** It was given to the server, and no answer has come. Under its key it is sent once, however often it is given. */
  sending: Sending | null;
}

export interface DraftFile {
  id: string;
  name: string;
  block: "image" | "document";
}

interface Sending {
  key: string;
  /** What the agent does is stopped first. */
  redirect: boolean;
  /** In `ms` since 1970. */
  since: number;
}

export const emptyDraft: Draft = { text: "", files: [], sending: null };

/** Behind it nobody expects that it is still sent; the server knows keys for longer. */
const sendingMsMax = 10 * 60_000;

const images: readonly string[] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/** As what a model is shown this file; null where it can only be put into the sandbox. */
export function blockOf({ mime_type }: Pick<FileMetadata, "mime_type">): DraftFile["block"] | null {
  const [type = ""] = mime_type.toLowerCase().split(";");
  if (images.includes(type)) return "image";
  const isDocument = type === "application/pdf" || type === "application/json" || type.startsWith("text/");
  return isDocument ? "document" : null;
}

/** What is sent of it, and under which key: the same one for as long as it is the same. */
export function sent(draft: Draft, redirect: boolean, now: number): { draft: Draft; events: EventParams[] } {
  const { sending, text, files } = draft;
  return {
    draft:
      sending && sending.redirect === redirect
        ? draft
        : { ...draft, sending: { key: freshKey(), redirect, since: now } },
    events: [
      ...(redirect ? ([{ type: "user.interrupt" }] as const) : []),
      {
        type: "user.message",
        content: [
          ...files.map(({ id, name, block }) =>
            block === "image"
              ? ({ type: "image", source: { type: "file", file_id: id } } as const)
              : ({ type: "document", source: { type: "file", file_id: id }, title: name } as const),
          ),
          ...(text.trim() === "" ? [] : ([{ type: "text", text }] as const)),
        ],
      },
    ],
  };
}

/** One that is changed is another message. */
export const changed = (draft: Draft, change: Partial<Pick<Draft, "text" | "files">>): Draft => ({
  ...draft,
  ...change,
  sending: null,
});

export const isEmpty = ({ text, files }: Draft): boolean => text.trim() === "" && files.length === 0;

const prefix = "drover.draft.";
export const keptName = (name: string) => `${prefix}${name}`;

export function readDraft(sessionId: string, now: number): Draft {
  try {
    const draft = {
      ...emptyDraft,
      ...(JSON.parse(sessionStorage.getItem(keptName(sessionId)) ?? "{}") as Draft),
    };
    return draft.sending && now - draft.sending.since > sendingMsMax ? { ...draft, sending: null } : draft;
  } catch {
    return emptyDraft;
  }
}

export function keepDraft(sessionId: string, draft: Draft): void {
  try {
    if (isEmpty(draft)) sessionStorage.removeItem(keptName(sessionId));
    else sessionStorage.setItem(keptName(sessionId), JSON.stringify(draft));
  } catch {
    // Where nothing can be kept, a reload loses it.
  }
}

/** Of all sessions: whoever sits at this browser next has written none of them. */
export function forgetDrafts(): void {
  try {
    for (const name of Object.keys(sessionStorage))
      if (name.startsWith(prefix)) sessionStorage.removeItem(name);
  } catch {
    // Where nothing can be kept, nothing is there.
  }
}
