import type { CSSProperties } from "react";
import { formatSpan } from "../ui/format.ts";
import type { FaultReport, Lane, LaneState } from "./lab-report.ts";

const SHOWN_MS = 60_000;
const WORDS: Readonly<Record<LaneState, string>> = {
  up: "up",
  down: "down",
  frozen: "frozen",
  absent: "not started",
};
const TARGETS: Readonly<Record<FaultReport["name"], string>> = {
  "kill-order": "order",
  "kill-order-b": "order-b",
  "freeze-order": "order",
  "kill-payment": "payment",
  "restart-postgres": "postgres",
};

const left = (share: number): string => `${(Math.max(0, share) * 100).toFixed(2)}%`;

/** One lane per process over the last minute: up, down or frozen, and where it was harmed. */
export function Lanes({
  lanes,
  faults,
  nowMs,
}: {
  readonly lanes: readonly Lane[];
  readonly faults: readonly FaultReport[];
  readonly nowMs: number;
}) {
  const at = (ms: number) => (ms - (nowMs - SHOWN_MS)) / SHOWN_MS;
  return (
    <div className="lanes">
      {lanes.map(({ id, name, pid, bands }) => {
        const state = bands.at(-1)?.state ?? "absent";
        return (
          <div key={id} className="lane" data-state={state}>
            <div className="lane-name">
              <strong>{name}</strong>
              <small>
                <span className="lane-state">{WORDS[state]}</span>
                {pid !== undefined && <span className="mono"> pid {pid}</span>}
              </small>
            </div>
            <div className="lane-track" aria-hidden>
              {bands.map((band, index) => {
                const end = bands[index + 1]?.fromMs ?? nowMs;
                if (end < nowMs - SHOWN_MS) return null;
                return (
                  <span
                    key={band.fromMs}
                    className="lane-band"
                    data-state={band.state}
                    style={{ left: left(at(band.fromMs)), right: left(1 - at(end)) }}
                  />
                );
              })}
              {faults
                .filter((fault) => TARGETS[fault.name] === id && at(fault.atMs) > 0)
                .map((fault) => (
                  <span
                    key={fault.id}
                    className="lane-mark"
                    style={{ "--at": at(fault.atMs) } as CSSProperties}
                  />
                ))}
            </div>
          </div>
        );
      })}
      <div className="lane-axis" aria-hidden>
        {[60_000, 45_000, 30_000, 15_000].map((ago) => (
          <span key={ago}>−{formatSpan(ago)}</span>
        ))}
        <span>now</span>
      </div>
    </div>
  );
}
