import type { MarkedToken, Token, Tokens } from "marked";
import { createElement, Fragment, memo, type ReactNode } from "react";
import { readMarkdown } from "../../format/markdown.ts";
import { visible } from "../../format/text.ts";
import { cx } from "../../ui/cx.ts";
import { Preformatted } from "../../ui/scroll.tsx";
import { LongText } from "./long-text.tsx";

/**
 * Markdown as React elements. HTML in it is shown as the text that it is, pictures as links, and a link leads to the web or
 * nowhere: the text is a model's, or of whoever it has read.
 */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  const tokens = readMarkdown(text);
  if (!tokens)
    return (
      <div className="break-words whitespace-pre-wrap">
        <LongText text={text} />
      </div>
    );
  return <div className="space-y-2 break-words">{blocks(tokens)}</div>;
});

/** Parts of a text have no ids, and never move: each is where it is. */
const inOrder = <Item,>(items: readonly Item[], show: (item: Item) => ReactNode): ReactNode =>
  createElement(Fragment, null, ...items.map(show));
const blocks = (tokens: readonly Token[]): ReactNode => inOrder(tokens, (token) => <Part token={token} />);

const headings = ["text-lg", "text-base", "text-sm", "text-sm", "text-sm", "text-sm"];

function Part({ token: given }: { token: Token }): ReactNode {
  const token = given as MarkedToken;
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      // The page has headings of its own; a reader of screens is not to take these for them.
      return (
        <p className={`font-semibold ${headings[token.depth - 1] ?? "text-sm"}`}>
          {blocks(token.tokens ?? [])}
        </p>
      );
    case "paragraph":
      return <p>{blocks(token.tokens ?? [])}</p>;
    case "text":
      return "tokens" in token && token.tokens ? blocks(token.tokens) : visible(token.text);
    case "strong":
      return <strong>{blocks(token.tokens ?? [])}</strong>;
    case "em":
      return <em>{blocks(token.tokens ?? [])}</em>;
    case "del":
      return <del>{blocks(token.tokens ?? [])}</del>;
    case "codespan":
      return <code className="rounded bg-sunken px-1 font-mono text-[0.9em]">{visible(token.text)}</code>;
    case "code":
      return (
        <Preformatted className="overflow-x-auto rounded-md bg-sunken p-2 font-mono text-xs">
          <code>{visible(token.text)}</code>
        </Preformatted>
      );
    case "br":
      return <br />;
    case "hr":
      return <hr className="border-line" />;
    case "blockquote":
      return (
        <blockquote className="border-line border-l-2 pl-3 text-muted">
          {blocks(token.tokens ?? [])}
        </blockquote>
      );
    case "list":
      return <List token={token} />;
    case "table":
      return <Table token={token} />;
    case "link":
      return <Outward href={token.href}>{blocks(token.tokens ?? [])}</Outward>;
    case "image":
      return <Outward href={token.href}>{visible(token.text || "picture")}</Outward>;
    case "escape":
      return visible(token.text);
    default:
      return visible(given.raw);
  }
}

function List({ token: { ordered, start, items } }: { token: Tokens.List }): ReactNode {
  const children = inOrder(items, (item) => <ListItem item={item} />);
  return ordered ? (
    <ol start={Number(start) || 1} className="list-decimal space-y-1 pl-6">
      {children}
    </ol>
  ) : (
    <ul className="list-disc space-y-1 pl-6">{children}</ul>
  );
}

const ListItem = ({ item }: { item: Tokens.ListItem }): ReactNode => (
  <li>
    {item.task && <span aria-hidden="true">{item.checked ? "☑ " : "☐ "}</span>}
    {blocks(item.tokens)}
  </li>
);

function Table({ token: { header, rows } }: { token: Tokens.Table }): ReactNode {
  return (
    <div className="overflow-x-auto">
      <table className="border-collapse">
        <thead>
          <tr>
            {inOrder(header, (cell) => (
              <Cell of="th" cell={cell} />
            ))}
          </tr>
        </thead>
        <tbody>
          {inOrder(rows, (row) => (
            <tr>
              {inOrder(row, (cell) => (
                <Cell of="td" cell={cell} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const alignments = { left: "text-left", center: "text-center", right: "text-right" } as const;

const Cell = ({ of: Name, cell }: { of: "th" | "td"; cell: Tokens.TableCell }): ReactNode => (
  <Name className={cx("border border-line px-2 py-1 align-top", alignments[cell.align ?? "left"])}>
    {blocks(cell.tokens)}
  </Name>
);

/** Where it leads is said in words: a text can name another place. */
function Outward({ href, children }: { href: string; children: ReactNode }): ReactNode {
  const url = URL.parse(href);
  if (url?.protocol !== "https:" && url?.protocol !== "http:") return <>{children}</>;
  return (
    <a
      href={url.href}
      target="_blank"
      rel="noopener noreferrer nofollow"
      title={url.href}
      className="text-accent underline underline-offset-2"
    >
      {children}
    </a>
  );
}
