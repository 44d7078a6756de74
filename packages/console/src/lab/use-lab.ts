import { useEffect, useState } from "react";
import { accessToken } from "../session/session.ts";
import type { LabReport } from "./lab-report.ts";

/** Follows the lab's reports while the page is visible; undefined until the first one. */
export function useLab(): LabReport | undefined {
  const [report, setReport] = useState<LabReport>();
  useEffect(() => {
    let events: EventSource | undefined;
    const follow = () => {
      if (document.visibilityState !== "visible") {
        events?.close();
        events = undefined;
        return;
      }
      events ??= new EventSource("/lab/events");
      events.onmessage = ({ data }) => setReport(JSON.parse(data) as LabReport);
    };
    follow();
    document.addEventListener("visibilitychange", follow);
    return () => {
      document.removeEventListener("visibilitychange", follow);
      events?.close();
    };
  }, []);
  return report;
}

/** Asks the lab to do something; throws with its words if it does not. */
export async function askLab(path: string, body: object): Promise<void> {
  const response = await fetch(`/lab/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await wordsOf(response));
}

/** Reads what the lab has for operators. */
export async function readLab<T>(path: string, signal: AbortSignal): Promise<T> {
  const token = await accessToken();
  const response = await fetch(`/lab/${path}`, {
    headers: { authorization: `Bearer ${token}` },
    signal,
  });
  if (!response.ok) throw new Error(await wordsOf(response));
  return (await response.json()) as T;
}

async function wordsOf(response: Response): Promise<string> {
  try {
    return ((await response.json()) as { readonly message: string }).message;
  } catch {
    return "the lab cannot be reached";
  }
}
