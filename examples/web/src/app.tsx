import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type FormEvent, useState, useSyncExternalStore } from "react";
import { isLoggedIn, logIn, logOut, subscribe } from "./session.ts";
import { Shop } from "./shop.tsx";

export function App() {
  return useSyncExternalStore(subscribe, isLoggedIn) ? <LoggedIn /> : <LogIn />;
}

/** What is cached belongs to this session: the next user must not see it. */
function LoggedIn() {
  const [queries] = useState(() => new QueryClient());
  return (
    <QueryClientProvider client={queries}>
      <button type="button" onClick={logOut}>
        Log out
      </button>
      <Shop />
    </QueryClientProvider>
  );
}

function LogIn() {
  const [problem, setProblem] = useState("");
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    try {
      await logIn(String(form.get("email")), String(form.get("password")));
    } catch (error) {
      setProblem(String(error));
    }
  };
  return (
    <form onSubmit={submit}>
      <label>
        Email <input name="email" type="email" required />
      </label>
      <label>
        Password <input name="password" type="password" required />
      </label>
      <button type="submit">Log in</button>
      <p role="alert">{problem}</p>
    </form>
  );
}
