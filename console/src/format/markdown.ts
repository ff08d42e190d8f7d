import { Lexer, type MarkedOptions, type Token, Tokenizer } from "marked";

const charsMax = 50_000;
/** Quotes and lists within each other: a browser cannot lay out what is nested without end. */
const depthMax = 16;
/** Of all tables together: rows are as wide as the head is, however little they say. */
const cellsMax = 5_000;
/** In a paragraph or a cell, of what may hold something: with more of them it takes longer and longer to read. */
const marksMax = 400;
/** The same of spaces that nobody sees. */
const spaces = /[ \t]{200}/;

class TooMuch extends Error {}

class BoundedTokenizer extends Tokenizer {
  private depth = 0;
  private cells = 0;

  override blockquote(src: string) {
    return this.within(() => super.blockquote(src));
  }

  override list(src: string) {
    return this.within(() => super.list(src));
  }

  override table(src: string) {
    const found = this.rules.block.table.exec(src);
    if (!found) return;
    const [, , delimiters = "", rows = ""] = found;
    this.cells += delimiters.split("|").length * rows.split("\n").length;
    if (this.cells > cellsMax) throw new TooMuch();
    return super.table(src);
  }

  private within<Found>(find: () => Found): Found {
    if (this.depth >= depthMax) throw new TooMuch();
    this.depth += 1;
    const found = find();
    this.depth -= 1;
    return found;
  }
}

class BoundedLexer extends Lexer {
  override inline(src: string, tokens: Token[] = []): Token[] {
    const marks = src.match(/[[\]<>*_~`!]/g)?.length ?? 0;
    if (marks <= marksMax && !spaces.test(src)) return super.inline(src, tokens);
    tokens.push({ type: "text", raw: src, text: src, escaped: false });
    return tokens;
  }
}

/**
 * The parts of a text in Markdown. Null for what nobody writes to be read, and would hold the page up or break it: the text
 * is a model's, or of whoever it has read.
 */
export function readMarkdown(text: string): Token[] | null {
  if (text.length > charsMax) return null;
  const options: MarkedOptions = { gfm: true, breaks: true, tokenizer: new BoundedTokenizer() };
  try {
    return new BoundedLexer(options).lex(text);
  } catch (error) {
    if (error instanceof TooMuch) return null;
    throw error;
  }
}
