import type { SessionEvent } from "../../../src/protocol/events.ts";
import { type Connection, type Followed, followSession } from "../api/follow.ts";
import type { Problem } from "../api/request.ts";
import { Spans } from "./spans.ts";
import { Transcript } from "./transcript.ts";

/** One session's events in this page, and what is made of them; those who look are told at most once a frame. */
export class SessionLog {
  readonly events: SessionEvent[] = [];
  readonly transcript = new Transcript();
  readonly spans = new Spans();
  connection: Connection = "connecting";
  problem: Problem | null = null;
  /** Grows with every change: what `useSyncExternalStore` compares. */
  version = 0;
  readonly #listeners = new Set<() => void>();
  readonly #places = new Map<string, number>();
  #telling = false;

  /** Follows it until `signal` is given up. */
  async follow(followed: Followed, signal: AbortSignal): Promise<void> {
    await followSession(
      followed,
      {
        event: (event) => this.#event(event),
        preview: (preview) => {
          if (preview.type === "event_start") this.transcript.begin(preview.event.id, preview.event.type);
          else this.transcript.write(preview.event_id, preview.delta.content.text);
          this.#changed();
        },
        connection: (state) => {
          if (state !== "open") this.transcript.forgetPreviews();
          this.connection = state;
          this.#changed();
        },
        failed: (problem) => {
          this.problem = problem;
          this.#changed();
        },
      },
      signal,
    );
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  snapshot = (): number => this.version;

  /** A message comes a second time, under its id, when the agent takes it up. */
  #event(event: SessionEvent): void {
    const place = this.#places.get(event.id);
    if (place === undefined) {
      this.#places.set(event.id, this.events.length);
      this.events.push(event);
    } else this.events[place] = event;
    this.transcript.add(event);
    this.spans.add(event);
    this.#changed();
  }

  #changed(): void {
    this.version++;
    if (this.#telling) return;
    this.#telling = true;
    requestAnimationFrame(() => {
      this.#telling = false;
      for (const listener of this.#listeners) listener();
    });
  }
}
