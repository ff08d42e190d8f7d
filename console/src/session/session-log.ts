import type { SessionEvent } from "../../../src/protocol/events.ts";
import { type Connection, type Followed, followSession } from "../api/follow.ts";
import type { Problem } from "../api/request.ts";
import { Spans } from "./spans.ts";
import { Transcript } from "./transcript.ts";

/** One session's events in this page, and what is made of them; those who look are told at most once a frame. */
export class SessionLog {
  readonly events: SessionEvent[] = [];
  /** How many events have come, those that came again too: another one with every change of `events`. */
  told = 0;
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

  /** A message comes a second time, under its id, when the agent takes it up: there it stands from then on. */
  #event(event: SessionEvent): void {
    const place = this.#places.get(event.id);
    if (place !== undefined) {
      this.events.splice(place, 1);
      for (const { id } of this.events.slice(place)) this.#places.set(id, (this.#places.get(id) ?? 0) - 1);
    }
    this.#places.set(event.id, this.events.length);
    this.events.push(event);
    this.told++;
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
