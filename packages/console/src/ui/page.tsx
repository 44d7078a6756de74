import { type ReactNode, useEffect } from "react";

/** A page's heading, with what it is about beneath and its actions at the right. */
export function Page({
  title,
  heading = title,
  lead,
  actions,
  children,
}: {
  /** In the browser's tab. */
  readonly title: string;
  readonly heading?: ReactNode;
  readonly lead?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Tercet`;
  }, [title]);
  return (
    <>
      <header className="page-head">
        <div>
          <h1>{heading}</h1>
          {lead && <div className="page-lead">{lead}</div>}
        </div>
        {actions && <div className="page-actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

export function Panel({
  title,
  aside,
  flush = false,
  children,
  className = "",
}: {
  readonly title?: ReactNode;
  readonly aside?: ReactNode;
  /** The content reaches the borders: a table. */
  readonly flush?: boolean;
  readonly children: ReactNode;
  readonly className?: string;
}) {
  return (
    <section className={`panel ${className}`} data-flush={flush || undefined}>
      {title && (
        <header className="panel-head">
          <h2>{title}</h2>
          {aside && <div className="panel-aside">{aside}</div>}
        </header>
      )}
      <div className="panel-body">{children}</div>
    </section>
  );
}

/** Name and value pairs. */
export const Facts = ({ items }: { readonly items: readonly (readonly [string, ReactNode])[] }) => (
  <dl className="facts">
    {items.map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
);
