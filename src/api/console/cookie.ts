import { limits } from "../../limits.ts";
import { ApiError } from "../../protocol/errors.ts";

/** What its name begins with. Of where it was set the port is behind that: a host name's cookies go to all ports of it. */
export const consoleCookie = "drover_console";
/** What a page of another site cannot send without being asked whether it may, and it never may. */
export const consoleHeader = "x-drover-console";

const isConsoleCookie = new RegExp(`^${consoleCookie}(_\\d{1,5})?$`);

/** Of a browser that has signed in, here or at other servers of the same host name. Whose they are the database knows. */
export function consoleTokens(headers: Headers): string[] {
  const pairs = (headers.get("cookie") ?? "").split(";").map((pair) => pair.trim().split("=", 2));
  return pairs
    .flatMap(([name = "", value]) => (isConsoleCookie.test(name) && value ? [value] : []))
    .slice(-limits.console_tokens_max);
}

/** By the port that the browser knows, whatever a proxy makes of it: it names its origin with all but what reads. */
function nameFor(headers: Headers): string {
  const urls = [headers.get("origin"), `http://${headers.get("host")}`];
  const url = urls.find((each) => each !== null && each !== "null" && URL.canParse(each));
  const port = url ? new URL(url).port : "";
  return port === "" ? consoleCookie : `${consoleCookie}_${port}`;
}

/** Scripts do not see it, and no other site has it sent. Whether TLS is spoken, a proxy in front or the browser says. */
export function setCookie(headers: Headers, token: string | null): string {
  const isHttps =
    headers.get("x-forwarded-proto")?.split(",")[0]?.trim() === "https" ||
    headers.get("origin")?.startsWith("https://") === true;
  const age_s = token === null ? 0 : limits.console_ms_max / 1_000;
  const secure = isHttps ? "; Secure" : "";
  return `${nameFor(headers)}=${token ?? ""}; Path=/; Max-Age=${age_s}; HttpOnly; SameSite=Strict${secure}`;
}

/** What the console does with answers: it reads them, saves them, and shows pictures. None is run, or shown as a page within it. */
const uses = new Set(["empty", "document", "image", "audio", "video"]);

const isSafe = (method: string) => method === "GET" || method === "HEAD" || method === "OPTIONS";

/**
 * Throws where a request with the cookie may not be the console's own. A browser sends the cookie from every port of the host,
 * whatever is served there: so what reads must not come from there either, and what changes something must show that it is
 * from the same origin, and has the console's header.
 */
export function requireSameOrigin(method: string, headers: Headers): void {
  const use = headers.get("sec-fetch-dest") ?? "empty";
  // The files of a workspace are of the console's origin, and so its content security policy would take them for scripts of its own.
  if (!uses.has(use))
    throw new ApiError(
      "permission_error",
      `a browser that is signed in may not load this as ${use.slice(0, 20)}`,
    );
  const site = headers.get("sec-fetch-site");
  if (isSafe(method)) {
    if (site === null || site === "same-origin" || site === "none") return;
  } else if (headers.has(consoleHeader) && (site === null ? isOwnOrigin(headers) : site === "same-origin")) {
    return;
  }
  throw new ApiError(
    "permission_error",
    `a browser that is signed in may send this only from the console itself, with the header ${consoleHeader}`,
  );
}

function isOwnOrigin(headers: Headers): boolean {
  const origin = headers.get("origin") ?? "";
  return URL.canParse(origin) && new URL(origin).host === headers.get("host");
}
