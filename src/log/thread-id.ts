/** A session's primary thread, whose id follows from the session's. */
export const primaryThreadOf = (sessionId: string) => sessionId.replace(/^sesn_/, "sthr_");
