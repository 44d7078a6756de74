import "./styles/layers.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/parts.css";
import "./styles/pages.css";
import "./styles/gantt.css";
import { TransportProvider } from "@connectrpc/connect-query";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { ShieldAlert } from "lucide-react";
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { SignIn } from "./frame/sign-in.tsx";
import { createConsoleRouter } from "./router.tsx";
import { connection } from "./session/connection.ts";
import { createQueryClient } from "./session/queries.ts";
import { type Account, resume } from "./session/session.ts";
import { transport } from "./session/transport.ts";
import { useSession } from "./session/use-session.ts";
import { Empty, Skeleton } from "./ui/states.tsx";
import { Toasts } from "./ui/toasts.tsx";

function App() {
  const session = useSession();
  if (!isSecureContext) return <NeedsHttps />;
  switch (session.kind) {
    case "starting":
      return (
        <main className="starting">
          <Skeleton lines={3} label="Signing in" />
        </main>
      );
    case "signed-out":
      return (
        <Data key="signed-out">
          <SignIn />
        </Data>
      );
    case "signed-in":
      return <SignedIn key={session.account.id} account={session.account} />;
  }
}

/** Elsewhere browsers have no locks, which tabs need to share a session. */
const NeedsHttps = () => (
  <main className="starting">
    <Empty icon={ShieldAlert} title="The console needs HTTPS">
      Open it at an address that begins with https://, or at localhost.
    </Empty>
  </main>
);

function SignedIn({ account }: { readonly account: Account }) {
  const [router] = useState(() => createConsoleRouter(account));
  return (
    <Data>
      <RouterProvider router={router} />
      <Toasts />
    </Data>
  );
}

/** What is cached belongs to one user: the next one must not see it. */
function Data({ children }: { readonly children: React.ReactNode }) {
  const [queries] = useState(createQueryClient);
  useEffect(() => connection.onRecovered(() => void queries.invalidateQueries()), [queries]);
  return <QueryClientProvider client={queries}>{children}</QueryClientProvider>;
}

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
resume();
createRoot(root).render(
  <StrictMode>
    <TransportProvider transport={transport}>
      <App />
    </TransportProvider>
  </StrictMode>,
);
