import { limits } from "../../limits.ts";
import { invalid } from "../../protocol/errors.ts";
import { imageTypes } from "../../protocol/image-size.ts";
import { endingOfType, typeOfName, unknownType } from "./mime.ts";

/** What the part of a form says of the file in it. */
export interface Said {
  filename: string | undefined;
  mime_type: string;
}

/** What an uploaded file is called, and what it is. */
export function namingOf(said: Said): { filename: string; mime_type: string } {
  const given = lastComponent(said.filename ?? "");
  const mime_type = typeOf(said.mime_type, given);
  const filename = given === "" ? `unnamed${endingOfType(mime_type)}` : given;
  if (filename.length > limits.filename_chars_max)
    throw invalid(`file: its name has more than ${limits.filename_chars_max} characters`);
  if (/\p{Cc}/u.test(filename)) throw invalid("file: its name may not contain control characters");
  return { filename, mime_type };
}

/** Of a path of any system; what names a folder names no file. */
function lastComponent(path: string): string {
  const name = path.split(/[/\\]/).at(-1)?.trim() ?? "";
  return name === "." || name === ".." ? "" : name;
}

/** A part of a form that says nothing is plain text, says the standard of forms: and some clients send all files so. */
const unsaidType = "text/plain";

/** What the client says, unless that says nothing or cannot be; then what the name says. */
function typeOf(said: string, filename: string): string {
  const type = said.split(";")[0]?.trim().toLowerCase() ?? "";
  const isType = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/.test(type);
  if (!isType || type.length > limits.mime_type_chars_max)
    throw invalid("file: its content-type must be a media type such as text/csv");
  const named = typeOfName(filename);
  const saysNothing = type === unknownType || (type === unsaidType && isShown(named));
  return saysNothing ? named : type;
}

/** Whether messages show it as what it is, and no text. */
const isShown = (type: string): boolean =>
  type === "application/pdf" || imageTypes.some((image) => image === type);
