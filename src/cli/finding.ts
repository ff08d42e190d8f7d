/** What `drover doctor` has found out of one thing. */
export interface Finding {
  name: string;
  /** `fail`: Drover cannot work here. `warn`: it works, with something missing. */
  level: "ok" | "warn" | "fail";
  text: string;
}

export const ok = (name: string, text: string): Finding => ({ name, level: "ok", text });
export const warn = (name: string, text: string): Finding => ({ name, level: "warn", text });
export const fail = (name: string, text: string): Finding => ({ name, level: "fail", text });
