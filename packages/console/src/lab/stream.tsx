import type { CSSProperties } from "react";
import type { LabOrder } from "./lab-report.ts";
import { type Placed, placesOf, type StationId } from "./stations.ts";

interface Station {
  readonly name: string;
  /** In columns of the grid, from 0; the second row is the way back. */
  readonly column: number;
  readonly row: 0 | 1;
}

const STATIONS: Readonly<Record<StationId, Station>> = {
  charge: { name: "charging", column: 0, row: 0 },
  allocate: { name: "taking stock", column: 1, row: 0 },
  confirmed: { name: "confirmed", column: 2, row: 0 },
  parked: { name: "waits for you", column: 0, row: 1 },
  back: { name: "giving back", column: 1, row: 1 },
  closed: { name: "closed", column: 2, row: 1 },
};
const PER_LINE = 10;
const LINES = 3;

/** Orders as dots that move from station to station. */
export function Stream({ orders }: { readonly orders: readonly LabOrder[] }) {
  const placed = placesOf(orders);
  const countOf = (id: StationId) => placed.filter(({ station }) => station === id).length;
  return (
    <div className="stream">
      {(Object.keys(STATIONS) as StationId[]).map((id) => {
        const { name, column, row } = STATIONS[id];
        return (
          <div
            key={id}
            className="station"
            data-station={id}
            style={{ gridColumn: column + 1, gridRow: row + 1 }}
          >
            <span className="station-name">{name}</span>
            <span className="station-count tabular">{countOf(id)}</span>
          </div>
        );
      })}
      <div className="stream-dots" aria-hidden>
        {placed
          .filter(({ index }) => index < PER_LINE * LINES)
          .map((each) => (
            <span
              key={each.order.id}
              className="order-dot"
              data-station={each.station}
              data-again={each.order.attempt > 0 || undefined}
              style={placeOf(each)}
            />
          ))}
      </div>
    </div>
  );
}

function placeOf({ station, index }: Placed): CSSProperties {
  const { column, row } = STATIONS[station];
  return {
    "--column": column,
    "--row": row,
    "--x": index % PER_LINE,
    "--y": Math.floor(index / PER_LINE),
  } as CSSProperties;
}
