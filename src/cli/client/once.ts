import { randomUUID } from "node:crypto";

/** Of a request that would do something twice: where its answer is lost the client asks again, and gets the first one's. */
export const once = () => ({ headers: { "idempotency-key": randomUUID() } });
