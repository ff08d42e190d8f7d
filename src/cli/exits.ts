/** Exit codes of `drover`; docs/CLI.md and --help say the same. */
export const exits = {
  done: 0,
  failed: 1,
  usage: 2,
  not_found: 3,
  refused: 4,
  unreachable: 5,
  /** A turn that was watched has ended in another way than with the agent's answer. */
  not_answered: 6,
  /** A session that was watched waits for somebody to answer a call. */
  waits: 7,
  interrupted: 130,
} as const;
export type Exit = (typeof exits)[keyof typeof exits];

export const exitsHelp = `Exit codes:
  0  done                                  5  the server cannot be reached
  1  failed                                6  the turn ended without an answer: an error, a budget, a refusal
  2  wrong use, or no API key              7  the session waits for an answer to a call
  3  not found                             130  Ctrl-C
  4  the server refuses the API key`;

/** Why a command does not go on: a line for a person, which says what to do. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly exit: Exit;
  constructor(message: string, exit: Exit = exits.failed) {
    super(message);
    this.exit = exit;
  }
}
