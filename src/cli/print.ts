import { jsonText, visibleLine } from "./terminal.ts";

export interface Form {
  json?: boolean | undefined;
}

/** Prints a value as JSON, or a line that says it. */
export const printLine = ({ json }: Form, value: unknown, line: string): void => {
  process.stdout.write(`${json ? jsonText(value, 2) : visibleLine(line)}\n`);
};

/** Prints a value as JSON, or as it is drawn for a person. */
export const printDrawn = <Value>({ json }: Form, value: Value, draw: (value: Value) => string): void => {
  process.stdout.write(json ? `${jsonText(value, 2)}\n` : draw(value));
};
