/**
 * What nobody sees who looks at a text, and a model reads all the same: control characters but tab and line feed, characters
 * without a form (those that turn the direction of writing and tags among them, but not the joiners, without which some
 * languages are not written), blanks that are letters, the selectors that only machines use, and halves of surrogate pairs.
 */
const hidden =
  /[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\u{e0000}-\u{e0fff}]--[\t\n\u200c\u200d]]/gv;

export const withoutHidden = (text: string): string => text.replaceAll("\r\n", "\n").replace(hidden, "");

export const hidesCharacters = (text: string): boolean => text.search(hidden) !== -1;
