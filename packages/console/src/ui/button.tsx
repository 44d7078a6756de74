import { Link, type LinkProps } from "@tanstack/react-router";
import type { ButtonHTMLAttributes, ReactNode } from "react";

type Look = "primary" | "plain" | "quiet" | "danger";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: Look;
  readonly small?: boolean;
  /** Something that the button began is not done yet; it cannot be pressed again. */
  readonly busy?: boolean;
}

export function Button({ look = "plain", small, busy = false, className, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={classOf(look, small, className)}
      disabled={rest.disabled || busy}
      aria-busy={busy || undefined}
    />
  );
}

export function LinkButton({
  look = "plain",
  small,
  children,
  ...link
}: LinkProps & {
  readonly look?: Look;
  readonly small?: boolean;
  readonly children: ReactNode;
}) {
  return (
    <Link {...link} className={classOf(look, small)}>
      {children}
    </Link>
  );
}

export const classOf = (look: Look, small = false, more = ""): string =>
  `button button-${look} ${small ? "button-small" : ""} ${more}`.trim().replace(/\s+/g, " ");
