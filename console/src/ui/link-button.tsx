import { createLink } from "@tanstack/react-router";
import type { ComponentProps } from "react";
import { type ButtonLook, buttonClass } from "./button.tsx";

/** Looks like a button, and leads somewhere. */
export const LinkButton = createLink(function LinkButton({
  look = "plain",
  className,
  children,
  ...rest
}: ComponentProps<"a"> & { look?: ButtonLook }) {
  return (
    <a className={buttonClass(look, className)} {...rest}>
      {children}
    </a>
  );
});
