/** The business: states, transitions, totals. No I/O. */
export interface Widget {
  readonly id: string;
  readonly ownerId: string;
  /** Unique among the widgets of its owner. */
  readonly name: string;
  readonly createTime: Date;
}

export type NewWidget = Omit<Widget, "createTime">;
