import { connect } from "node:net";
import { limits } from "../../limits.ts";

/** Looks now and then whether anybody takes connections there; null until it has. */
export function watchEgress(socket_path: string) {
  let there: boolean | null = null;
  const look = () => {
    const socket = connect(socket_path);
    const found = (answer: boolean) => {
      there = answer;
      socket.destroy();
    };
    socket.setTimeout(limits.egress_look_ms / 2, () => found(false));
    socket.once("connect", () => found(true));
    socket.once("error", () => found(false));
  };
  look();
  const looking = setInterval(look, limits.egress_look_ms);
  looking.unref();
  return { there: () => there, close: () => clearInterval(looking) };
}
