import { cutWhenSilent, SilentUpstream } from "../broken.ts";

/**
 * Asks under our own name, breaks silent connections, and takes an error for one whatever its status says: some gateways
 * answer 200 with JSON where a stream was asked for.
 */
export function providerFetch(idle_ms: number): typeof fetch {
  return async (url, init) => {
    const headers = new Headers(init?.headers);
    headers.set("user-agent", "drover");
    const response = await startedInTime((signal) => fetch(url, { ...init, headers, signal }), {
      idle_ms,
      signal: init?.signal,
    });
    const passed = new Response(response.body?.pipeThrough(cutWhenSilent(idle_ms)), response);
    const isJson = response.headers.get("content-type")?.includes("application/json");
    return response.ok && isJson ? asError(passed) : passed;
  };
}

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
  return new Response(text, { status: statusIn(text), headers });
}

function statusIn(text: string): number {
  const [, code = ""] = /"(?:code|status|statusCode)"\s*:\s*"?(\d{3})\b/.exec(text) ?? [];
  const status = Number(code);
  return status >= 400 && status <= 599 ? status : 502;
}
