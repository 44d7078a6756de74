import { useQuery } from "@connectrpc/connect-query";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { SagaService, SagaState } from "@tercet/gen/order/v1/saga_service";
import { useEffect, useRef } from "react";
import type { Account } from "../session/session.ts";
import { AccountMenu } from "./account-menu.tsx";
import { ConnectionState } from "./connection-state.tsx";
import { type Place, placesOf } from "./places.ts";

/** The frame of every page of a signed-in user. */
export function Shell({ account }: { readonly account: Account }) {
  const groups = placesOf(account);
  useRevocations();
  const main = useRef<HTMLElement>(null);
  const rail = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  // A screen reader begins at the new page and not in the middle of the last one.
  const first = useRef(pathname);
  useEffect(() => {
    if (first.current === pathname) return;
    first.current = pathname;
    main.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [pathname]);
  // On a phone the places do not all fit.
  useEffect(() => {
    const here = rail.current?.querySelector('.rail-link[aria-current="page"]');
    here?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [pathname]);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <nav ref={rail} className="rail" aria-label="Main">
        <Link to="/" className="mark" aria-label="Tercet, home">
          <Mark /> <span>Tercet</span>
        </Link>
        {groups.map(({ name, places }) => (
          <div key={name} className="rail-group">
            <p className="rail-title">{name}</p>
            {places.map((place) => (
              <RailLink key={place.to} place={place} />
            ))}
          </div>
        ))}
      </nav>
      <header className="topbar">
        <Link to="/" className="mark mark-small" aria-label="Tercet, home">
          <Mark />
        </Link>
        <ConnectionState />
        <AccountMenu account={account} />
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  );
}

function RailLink({ place }: { readonly place: Place }) {
  const { to, name, icon: Icon, exact = false } = place;
  return (
    <Link to={to} className="rail-link" activeOptions={{ exact, includeSearch: false }}>
      <Icon aria-hidden size={18} strokeWidth={1.75} />
      <span>{name}</span>
      {to === "/sagas" && <ParkedCount />}
    </Link>
  );
}

const NOTICE_MS = 10_000;

/** Ends this tab's session when it was revoked elsewhere, also on a page that asks for nothing. */
const useRevocations = () =>
  useQuery(IdentityService.method.getMe, {}, { refetchInterval: NOTICE_MS });

const REFRESH_MS = 5_000;

/** How many sagas wait for an operator. */
function ParkedCount() {
  const { data } = useQuery(
    SagaService.method.listSagas,
    { state: SagaState.NEEDS_ATTENTION, pageSize: 100 },
    { refetchInterval: REFRESH_MS },
  );
  const count = data?.sagas.length ?? 0;
  if (count === 0) return null;
  return (
    <span className="count" aria-live="polite">
      {count}
      {data?.nextPageToken === "" ? "" : "+"}
      <span className="visually-hidden"> need attention</span>
    </span>
  );
}

/** Three steps, one after the other: what a saga is. */
export const Mark = () => (
  <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
    <rect width="32" height="32" rx="8" className="mark-ground" />
    <rect x="7" y="8" width="10" height="4" rx="2" fill="#fff" />
    <rect x="12" y="14" width="13" height="4" rx="2" fill="#fff" opacity=".75" />
    <rect x="19" y="20" width="6" height="4" rx="2" fill="#fff" />
  </svg>
);
