/** As a shell says it; null for what none says. Programs in a sandbox can write where it is said. */
export function readExitCode(text: string | undefined): number | null {
  const code = /^\d{1,3}$/.test(text ?? "") ? Number(text) : Number.NaN;
  return code <= 255 ? code : null;
}
