import type { FileMetadata } from "../../../src/protocol/files.ts";
import type { Dropped } from "../ui/dropped.ts";
import { Problem } from "./request.ts";

/** Sends a form, and tells how much of it is on its way, from 0 to 1: `fetch` says nothing of that. */
export function uploadFile<Answer>(
  path: string,
  parts: readonly (readonly [name: string, value: Blob | string, filename?: string])[],
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<Answer> {
  const form = new FormData();
  for (const [name, value, filename] of parts)
    if (typeof value === "string") form.append(name, value);
    else form.append(name, value, filename);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    request.open("POST", path);
    request.setRequestHeader("anthropic-version", "2023-06-01");
    request.setRequestHeader("anthropic-beta", "managed-agents-2026-04-01");
    request.setRequestHeader("x-drover-console", "1");
    request.upload.onprogress = ({ loaded, total }) => progress(total > 0 ? loaded / total : 0);
    request.onerror = () => reject(new Problem(0, "connection_error", "The server cannot be reached.", null));
    request.onabort = () => reject(new Problem(0, "aborted", "The upload was stopped.", null));
    request.onload = () => {
      const answer = parsed(request.responseText);
      if (request.status >= 200 && request.status < 300) return resolve(answer as Answer);
      const { type = "api_error", message = `the server answered ${request.status}` } =
        (answer as { error?: { type?: string; message?: string } } | null)?.error ?? {};
      reject(new Problem(request.status, type, message, request.getResponseHeader("request-id")));
    };
    request.onloadend = () => signal.removeEventListener("abort", stop);
    signal.addEventListener("abort", stop);
    request.send(form);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A file that was dropped or chosen becomes one of the workspace. */
export function uploadDropped(
  { name, files: [first] }: Dropped,
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<FileMetadata> {
  if (!first) throw new Error(`${name} is no file.`);
  return uploadFile("/v1/files", [["file", first.file, first.path]], progress, signal);
}
