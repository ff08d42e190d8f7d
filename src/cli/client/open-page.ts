import { spawn } from "node:child_process";

/** False where this machine has no browser that could be opened from here. The address is one argument, and no shell sees it. */
export function openPage(page: URL): boolean {
  const opener = openerOf(process.platform, process.env);
  if (!opener || !/^https?:$/.test(page.protocol)) return false;
  const [program, ...args] = opener;
  const child = spawn(program, [...args, page.href], { stdio: "ignore", detached: true });
  // Whoever has none opens the address by hand: it is printed in any case.
  child.on("error", () => {});
  child.unref();
  return true;
}

function openerOf(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): [string, ...string[]] | null {
  if (platform === "darwin") return ["open"];
  if (platform === "win32") return ["rundll32", "url.dll,FileProtocolHandler"];
  // Without a screen some begin to draw a browser into the terminal.
  return env.DISPLAY || env.WAYLAND_DISPLAY ? ["xdg-open"] : null;
}
