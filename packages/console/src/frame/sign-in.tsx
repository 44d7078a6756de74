import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import {
  IdentityService,
  LoginRequestSchema,
  RegisterRequestSchema,
  TokenResponseSchema,
} from "@tercet/gen/identity/v1/identity";
import { ArrowRight } from "lucide-react";
import { useState } from "react";
import { toProblem } from "../session/errors.ts";
import { adopt, signIn } from "../session/session.ts";
import { settings } from "../session/settings.ts";
import { transport } from "../session/transport.ts";
import { Button } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { ErrorPanel } from "../ui/states.tsx";
import { useForm } from "../ui/use-form.ts";
import { Mark } from "./shell.tsx";

/** The first page of someone who is not signed in. */
export function SignIn() {
  const [isNew, setIsNew] = useState(false);
  return (
    <main className="entry">
      <section className="entry-words">
        <p className="mark">
          <Mark /> <span>Tercet</span>
        </p>
        <h1>Watch an order survive a crash.</h1>
        <p>
          Place an order and see each step as it happens: charged, retried, confirmed or refunded.
          Kill a process on the way. No order and no cent is lost.
        </p>
        <EntryFigure />
      </section>
      <section className="entry-form" aria-label="Sign in">
        {settings.users.length > 0 && <SeededUsers />}
        {isNew ? <SignUpForm /> : <SignInForm />}
        <p className="entry-switch">
          {isNew ? "Have an account?" : "New here?"}{" "}
          <button type="button" className="link" onClick={() => setIsNew(!isNew)}>
            {isNew ? "Sign in" : "Create an account"}
          </button>
        </p>
      </section>
    </main>
  );
}

const PURPOSES: Readonly<Record<string, string>> = {
  customer: "buys, and sees her own orders",
  operator: "sees every order, saga and payment",
  admin: "manages users",
};

function SeededUsers() {
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState<string>();
  const enter = async (name: string) => {
    setBusy(name);
    try {
      const response = await fetch("/lab/sign-in", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ user: name }),
      });
      if (!response.ok) throw new Error(await response.text());
      adopt(fromJson(TokenResponseSchema, (await response.json()) as JsonValue));
    } catch (thrown) {
      setError(thrown);
      setBusy(undefined);
    }
  };
  return (
    <div className="seeded">
      <p className="hint">This is a system of your own. Come in as:</p>
      {settings.users.map(({ name, roles }) => (
        <button
          key={name}
          type="button"
          className="seeded-user"
          disabled={busy !== undefined}
          onClick={() => void enter(name)}
        >
          <span className="avatar" aria-hidden>
            {name.slice(0, 1).toUpperCase()}
          </span>
          <span>
            <strong>{name.charAt(0).toUpperCase() + name.slice(1)}</strong>
            <small>{roles.map((role) => `${role}: ${PURPOSES[role] ?? ""}`).join(", ")}</small>
          </span>
          <ArrowRight aria-hidden size={16} />
        </button>
      ))}
      {error !== undefined && <ErrorPanel error={error} title="Signing in did not work" />}
    </div>
  );
}

function SignInForm() {
  const form = useForm(LoginRequestSchema, ({ email, password }) => signIn(email, password));
  const wrong = form.error !== undefined && toProblem(form.error).reason === "INVALID_CREDENTIALS";
  return (
    <form className="form" noValidate onSubmit={form.submit}>
      <h2>Sign in</h2>
      <Field form={form} name="email" label="Email" type="email" autoComplete="username" />
      <Field
        form={form}
        name="password"
        label="Password"
        type="password"
        autoComplete="current-password"
      />
      {wrong && (
        <p className="field-problem" role="alert">
          There is no user with this email and password.
        </p>
      )}
      {form.error !== undefined && !wrong && <ErrorPanel error={form.error} />}
      <Button type="submit" look="primary" busy={form.busy}>
        Sign in
      </Button>
    </form>
  );
}

const identity = createClient(IdentityService, transport);

function SignUpForm() {
  // The same id until the user exists: a lost response is repeated and makes no second user.
  const [requestId] = useState(() => crypto.randomUUID());
  const form = useForm(
    RegisterRequestSchema,
    async (request) => {
      await identity.register(request);
      await signIn(request.email, request.password);
    },
    { requestId },
  );
  return (
    <form className="form" noValidate onSubmit={form.submit}>
      <h2>Create an account</h2>
      <Field form={form} name="displayName" label="Name" autoComplete="name" />
      <Field form={form} name="email" label="Email" type="email" autoComplete="email" />
      <Field
        form={form}
        name="password"
        label="Password"
        type="password"
        hint="8 characters or more"
        autoComplete="new-password"
      />
      {form.error !== undefined && <ErrorPanel error={form.error} />}
      <Button type="submit" look="primary" busy={form.busy}>
        Create account
      </Button>
    </form>
  );
}

/** An order whose worker died while it charged. */
const EntryFigure = () => (
  <svg
    className="entry-figure"
    viewBox="0 0 520 168"
    role="img"
    aria-label="An order as bars on a time axis: created, its charge interrupted by a crash, taken over, confirmed"
  >
    {["create", "charge", "allocate"].map((name, row) => (
      <g key={name} transform={`translate(0 ${20 + row * 44})`}>
        <text x="0" y="19" className="figure-label">
          {name}
        </text>
        <line x1="80" x2="520" y1="14" y2="14" className="figure-line" />
      </g>
    ))}
    <rect x="80" y="24" width="26" height="20" rx="4" className="figure-green" />
    <rect x="106" y="68" width="104" height="20" rx="4" className="figure-hatched" />
    <line x1="210" x2="352" y1="78" y2="78" className="figure-wait" />
    <rect x="352" y="68" width="70" height="20" rx="4" className="figure-green" />
    <rect x="422" y="112" width="30" height="20" rx="4" className="figure-green" />
    <line x1="352" x2="352" y1="8" y2="146" className="figure-mark" />
    <text x="358" y="160" className="figure-note">
      taken over
    </text>
    <text x="176" y="58" className="figure-note figure-note-red">
      kill -9
    </text>
    <defs>
      <pattern
        id="hatch"
        width="6"
        height="6"
        patternUnits="userSpaceOnUse"
        patternTransform="rotate(45)"
      >
        <rect width="3" height="6" className="figure-hatch" />
      </pattern>
    </defs>
  </svg>
);
