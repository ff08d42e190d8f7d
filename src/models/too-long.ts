/** How vendors say that a conversation is longer than the model's context; none has a type of its own for it. */
const words =
  /context_length_exceeded|prompt is too long|maximum context length|context (window|length|size)|input token count.*exceeds|exceeds? .*context/i;

export const saysTooLong = (...told: (string | number | null | undefined)[]): boolean =>
  words.test(told.join(" "));
