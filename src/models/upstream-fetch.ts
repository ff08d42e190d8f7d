import { limits } from "../limits.ts";
import { BrokenStream, cutWhenEndless, Misdirected, SilentUpstream } from "./broken.ts";

interface UpstreamWishes {
  whole_ms?: number;
  wants?: "stream" | "json";
}

/**
 * Asks under our own name, follows nobody elsewhere, and breaks connections that are silent or come to no end. Where a
 * stream was asked for it takes an error for one whatever its status says: some gateways answer 200 with JSON or a page.
 */
export function upstreamFetch(
  idle_ms: number,
  { whole_ms = limits.model_answer_ms_max, wants = "stream" }: UpstreamWishes = {},
): typeof fetch {
  return async (url, init) => {
    const headers = new Headers(init?.headers);
    headers.set("user-agent", "drover");
    const response = await startedInTime(
      (signal) => fetch(url, { ...init, headers, signal, redirect: "manual" }),
      { idle_ms, signal: init?.signal },
    );
    const { status, ok } = response;
    const type = response.headers.get("content-type") ?? "";
    const refused = refusalOf(status, response.headers.get("location"), type);
    if (refused !== null) {
      await response.body?.cancel();
      throw refused;
    }
    const bounds = { idle_ms, whole_ms, bytes_max: limits.model_answer_bytes_max };
    const passed = new Response(response.body?.pipeThrough(cutWhenEndless(bounds)), response);
    return ok && wants === "stream" && type.includes("application/json") ? asError(passed) : passed;
  };
}

function refusalOf(status: number, location: string | null, type: string): Error | null {
  if (status >= 300 && status < 400) return new Misdirected(`sends requests on to ${originOf(location)}`);
  if (status < 300 && type.includes("text/html"))
    return new BrokenStream("it is a web page, which nobody asked for");
  return null;
}

const originOf = (location: string | null) =>
  URL.canParse(location ?? "") ? new URL(location ?? "").origin : "another place";

async function startedInTime(
  ask: (signal: AbortSignal) => Promise<Response>,
  { idle_ms, signal }: { idle_ms: number; signal: AbortSignal | null | undefined },
): Promise<Response> {
  const silence = new AbortController();
  const timer = setTimeout(
    () => silence.abort(new SilentUpstream(`nothing came for ${idle_ms} ms`)),
    idle_ms,
  );
  try {
    return await ask(signal ? AbortSignal.any([signal, silence.signal]) : silence.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** A status of the error's own where it has one. */
async function asError(response: Response): Promise<Response> {
  const text = await response.text();
  const { headers } = response;
  return new Response(text, { status: statusIn(text), statusText: "It is not a stream", headers });
}

function statusIn(text: string): number {
  const [, code = ""] = /"(?:code|status|statusCode)"\s*:\s*"?(\d{3})\b/.exec(text) ?? [];
  const status = Number(code);
  return status >= 400 && status <= 599 ? status : 502;
}
