import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { ErrorOutcome, SessionErrorItem } from "../../../../src/protocol/session-errors.ts";
import { listOptions } from "../../api/resources.ts";
import { visible } from "../../format/text.ts";
import { cx } from "../../ui/cx.ts";
import { More } from "../../ui/more.tsx";
import { Ago } from "../../ui/time.tsx";
import { Nothing, Rows, Section } from "./section.tsx";

const lookMs = 15_000;
const rows = 10;

const route = getRouteApi("/shell/");

const outcomes: Record<ErrorOutcome, [words: string, color: string]> = {
  ended_turn: ["ended the turn", "text-bad"],
  gave_up: ["was not got over", "text-bad"],
  retrying: ["is tried again", "text-warn"],
  recovered: ["got over", "text-good"],
};

/** What went wrong, and why: first what ended a turn, or all of it. */
export function Failed() {
  const { errors } = route.useSearch();
  const navigate = route.useNavigate();
  const all = errors === "all";
  const list = useInfiniteQuery({
    ...listOptions<SessionErrorItem>("/v1/session_errors", {
      limit: rows,
      ended_turn: all ? undefined : true,
    }),
    refetchInterval: lookMs,
  });
  return (
    <Section
      title="What failed"
      list={list}
      aside={
        <label className="flex items-center gap-1.5 text-muted">
          <input
            type="checkbox"
            checked={all}
            onChange={({ target }) =>
              void navigate({
                search: { errors: target.checked ? "all" : undefined },
                replace: true,
                resetScroll: false,
              })
            }
          />
          also what was tried again
        </label>
      }
    >
      {list.data?.length === 0 && (
        <Nothing>
          {all ? "Nothing has failed." : "No turn has ended by an error."} Sessions that are archived are left
          out.
        </Nothing>
      )}
      <Rows>
        {list.data?.map((item) => (
          <Failure key={`${item.session_id} ${item.event.id}`} item={item} />
        ))}
      </Rows>
      <More list={list} />
    </Section>
  );
}

function Failure({ item: { session_id, session_title, agent, event, outcome } }: { item: SessionErrorItem }) {
  const why = whyOf(event);
  if (!why) return null;
  const [words, color] = outcomes[outcome];
  return (
    <li className="px-3 py-2">
      <div className="flex items-baseline gap-3">
        <Link
          to="/sessions/$sessionId"
          params={{ sessionId: session_id }}
          search={{ tab: "events", event: event.id }}
          className="min-w-0 grow truncate font-medium hover:underline"
        >
          {visible(session_title || agent.name)}
        </Link>
        <Ago at={why.at} className="whitespace-nowrap text-muted" />
      </div>
      <div className="flex flex-wrap gap-x-2 text-muted">
        {session_title && <span className="truncate">{visible(agent.name)}</span>}
        <span>{why.type.replaceAll("_", " ")}</span>
        <span className={cx(color, "whitespace-nowrap")}>{words}</span>
      </div>
      <p className="mt-0.5 line-clamp-3 break-words">{visible(why.message)}</p>
    </li>
  );
}

/** An error says so itself; a model that refuses may. */
function whyOf(event: SessionErrorItem["event"]): { type: string; message: string; at: string } | null {
  if (event.type === "session.error") {
    const { type, message } = event.error;
    return { type: type.replace(/_error$/, ""), message, at: event.processed_at };
  }
  if (event.type !== "session.status_idle") return null;
  const { category = null, explanation = null } = event.stop_details ?? {};
  return {
    type: category ? `refusal (${category})` : "refusal",
    message: explanation ?? "The model has refused to go on, and does not say why.",
    at: event.processed_at,
  };
}
