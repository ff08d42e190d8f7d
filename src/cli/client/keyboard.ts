import { createInterface, emitKeypressEvents, type Interface } from "node:readline";
import { PassThrough } from "node:stream";
import { canRedraw } from "../terminal.ts";

/** Who talks with a session: at a terminal, or by what is piped in. */
export interface Input {
  /** A line; null where there is nothing more. */
  line(question: Question): Promise<string | null>;
  /** One of these keys; null where there is nothing more. */
  key(text: string, keys: string, question: Question): Promise<string | null>;
  /** Said at the next line as if it had been typed. */
  keep(text: string): void;
  close(): void;
}

export interface Question {
  /** Aborted when the question is none any more: it is taken off the screen and rejects with `Withdrawn`. */
  withdrawn: AbortSignal;
  /** What is typed before or while it is withdrawn is there at the next such line. */
  isDraft?: boolean;
}

export class Withdrawn extends Error {
  override readonly name = "Withdrawn";
}

interface Key {
  ctrl?: boolean;
  name?: string;
}

/** A line break within a line that is being edited. */
const lineBreak = "␊";
const breaksAtEnd = /␊+$/;
const unprintable = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/;

/** A signal has stopped the process within this time. */
const stopped_ms = 100;

/** How a terminal tells what is pasted from what is typed. */
const bracketed = { on: "\u001b[?2004h", off: "\u001b[?2004l" };

/**
 * A line editor while something is asked, and keys of which nothing is shown while nothing is. The terminal is raw all the
 * while, and as it was before whenever the process stops, ends or is ended.
 */
export function keyboard(prompt: string): Input {
  const { stdin, stdout } = process;
  const history: string[] = [];
  const drawn = canRedraw(stdout);
  /** The line editor hears keys from here alone. */
  const keys = new PassThrough();
  let draft = "";
  let pasted: string | null = null;
  let isOver = false;
  let open: Asked | null = null;

  const rule = () => {
    stdin.setRawMode(true);
    if (drawn) stdout.write(bracketed.on);
  };
  const leave = () => {
    if (drawn) stdout.write(bracketed.off);
    stdin.setRawMode(false);
  };
  const resumed = () => {
    // The mode that Node remembers is not the one that a shell has left.
    stdin.setRawMode(false);
    rule();
    open?.draw();
  };
  const stop = () => {
    leave();
    process.kill(0, "SIGTSTP");
    // Where no shell is there to continue it, it has not stopped.
    setTimeout(resumed, stopped_ms).unref();
  };
  const killed = (signal: NodeJS.Signals) => {
    leave();
    process.kill(process.pid, signal);
  };
  const over = () => {
    isOver = true;
    open?.end();
  };
  const onKey = (text: string | undefined, key: Key = {}) => {
    if (key.name === "paste-start") pasted = "";
    else if (key.name === "paste-end") {
      const all = pasted ?? "";
      pasted = null;
      if (open?.paste) open.paste(all);
      else if (!open) draft += all;
    } else if (pasted !== null) pasted += printed(text, key, pasted);
    else if (key.ctrl && key.name === "c") {
      if (open) stdout.write("\n");
      process.emit("SIGINT");
    } else if (key.ctrl && key.name === "z") stop();
    else if (open) open.type(text, key);
    else if (key.name === "backspace") draft = draft.slice(0, -1);
    else draft += printed(text, key, draft);
  };

  emitKeypressEvents(stdin);
  stdin.on("keypress", onKey).on("end", over).on("error", over);
  process.on("SIGCONT", resumed);
  process.once("SIGTERM", killed);
  process.once("SIGHUP", killed);
  process.on("exit", leave);
  rule();
  stdin.resume();

  /** Opens a question, which ends once: with an answer, or withdrawn. */
  const asking = <Answer>({ withdrawn }: Question, begin: (done: (answer: Answer) => void) => Asked) =>
    new Promise<Answer>((resolve, reject) => {
      if (withdrawn.aborted) return reject(new Withdrawn());
      const settle = () => {
        open = null;
        withdrawn.removeEventListener("abort", withdraw);
      };
      const asked = begin((answer) => {
        settle();
        resolve(answer);
      });
      const withdraw = () => {
        settle();
        asked.clear();
        reject(new Withdrawn());
      };
      withdrawn.addEventListener("abort", withdraw);
      open = asked;
      if (isOver) asked.end();
    });

  return {
    line: (question) =>
      asking<string | null>(question, (done) => {
        const lines = createInterface({
          input: keys,
          output: stdout,
          terminal: true,
          prompt,
          history: [...history],
        });
        const answer = (text: string | null) => {
          lines.off("close", none);
          lines.close();
          if (text) history.unshift(text);
          done(text?.replaceAll(lineBreak, "\n") ?? null);
        };
        const none = () => {
          stdout.write("\n");
          answer(null);
        };
        lines.once("line", answer).once("close", none);
        lines.prompt();
        if (question.isDraft) {
          lines.write(draft.replace(breaksAtEnd, ""));
          draft = "";
        }
        return {
          draw: () => lines.prompt(true),
          paste: (text) => lines.write(text),
          type: (text, key) => keys.emit("keypress", text, key),
          end: none,
          clear() {
            if (question.isDraft) draft = lines.line;
            takeOff(lines);
            lines.off("close", none);
            lines.close();
          },
        };
      }),
    key: (text, wanted, question) =>
      asking<string | null>(question, (done) => {
        const draw = () => void stdout.write(text);
        const end = () => {
          stdout.write("\n");
          done(null);
        };
        draw();
        return {
          draw,
          end,
          type(typed, { ctrl, name }) {
            const key = typed?.toLowerCase() ?? "";
            if (ctrl && name === "d") return end();
            if (key === "" || !wanted.includes(key)) return;
            stdout.write(`${key}\n`);
            done(key);
          },
          clear: () => void stdout.write(drawn ? "\r\u001b[K" : "\n"),
        };
      }),
    keep(text) {
      draft = text.replaceAll("\n", lineBreak);
    },
    close() {
      leave();
      process.off("exit", leave).off("SIGCONT", resumed).off("SIGTERM", killed).off("SIGHUP", killed);
      stdin.off("keypress", onKey).off("end", over).off("error", over);
      stdin.pause();
    },
  };

  function takeOff(lines: Interface): void {
    const { rows } = lines.getCursorPos();
    stdout.write(drawn ? `\r${rows > 0 ? `\u001b[${rows}A` : ""}\u001b[J` : "\n");
  }
}

interface Asked {
  draw(): void;
  type(text: string | undefined, key: Key): void;
  /** Where nobody pastes an answer, it is passed over. */
  paste?(text: string): void;
  end(): void;
  clear(): void;
}

/** Of a key what can stand in a line; of `\r\n` one break. */
function printed(text: string | undefined, { name, ctrl }: Key, before: string): string {
  if (name === "return") return lineBreak;
  if (name === "enter") return before.endsWith(lineBreak) ? "" : lineBreak;
  return text === undefined || ctrl || unprintable.test(text) ? "" : text;
}

/** Lines of whatever standard input is; nobody is there to press a key. */
export function piped(): Input {
  const lines = createInterface({ input: process.stdin });
  const each = lines[Symbol.asyncIterator]();
  return {
    async line() {
      const { value, done } = await each.next();
      return done ? null : value;
    },
    key: () => Promise.reject(new Error("there is no terminal to press a key at")),
    keep() {},
    close: () => lines.close(),
  };
}
