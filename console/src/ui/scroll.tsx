import type { ComponentProps } from "react";

/** What scrolls by itself is reached by keyboard too. */
export const Scroll = (props: ComponentProps<"div">) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: that is what it is for
  <div tabIndex={0} {...props} />
);

/** Text as it is written, which scrolls where it is too large. */
export const Preformatted = (props: ComponentProps<"pre">) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: that is what it is for
  <pre tabIndex={0} {...props} />
);
