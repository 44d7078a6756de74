import { Link } from "@tanstack/react-router";
import { Role } from "@tercet/gen/common/v1/access";
import { ChevronDown, KeyRound, LogOut, Monitor, Moon, Sun } from "lucide-react";
import { useId, useRef } from "react";
import { type Account, signOut } from "../session/session.ts";
import { setTheme, type Theme, useTheme } from "./theme.ts";

const THEMES: readonly (readonly [Theme, string, typeof Sun])[] = [
  ["system", "As the system", Monitor],
  ["light", "Light", Sun],
  ["dark", "Dark", Moon],
];

/** Who is signed in, the theme, the account and the way out: in the browser's own popover. */
export function AccountMenu({ account }: { readonly account: Account }) {
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const { displayName, email, roles } = account;
  return (
    <>
      <button type="button" className="account" popoverTarget={id}>
        <span className="avatar" aria-hidden>
          {displayName.slice(0, 1).toUpperCase()}
        </span>
        <span className="visually-hidden">Account of </span>
        <span className="account-name">{displayName}</span>
        <ChevronDown aria-hidden size={14} />
      </button>
      <div id={id} ref={menu} popover="auto" className="menu">
        <div className="menu-head">
          <strong>{email}</strong>
          <span>{roles.map((role) => Role[role]?.toLowerCase()).join(", ")}</span>
        </div>
        <fieldset className="menu-themes">
          <legend>Theme</legend>
          {THEMES.map(([value, name, Icon]) => (
            <label key={value} className="menu-item">
              <input
                type="radio"
                name="theme"
                checked={theme === value}
                onChange={() => setTheme(value)}
              />
              <Icon aria-hidden size={16} />
              {name}
            </label>
          ))}
        </fieldset>
        <Link to="/account" className="menu-item" onClick={() => menu.current?.hidePopover()}>
          <KeyRound aria-hidden size={16} />
          Password and sessions
        </Link>
        <button type="button" className="menu-item" onClick={() => void signOut()}>
          <LogOut aria-hidden size={16} />
          Sign out
        </button>
      </div>
    </>
  );
}
