/** An answer is for whoever asked: nobody on the way keeps it, nor does a browser after its user has signed out. */
export const jsonHeaders: Readonly<Record<string, string>> = {
  "content-type": "application/json",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};
