/** The tokens of the simulated provider, named for what they do. */
export interface TestCard {
  readonly token: string;
  readonly name: string;
  readonly effect: string;
}

export const TEST_CARDS: readonly TestCard[] = [
  { token: "tok_visa", name: "Approved", effect: "charged at once, below 1,000.00" },
  { token: "tok_slow", name: "Slow", effect: "approved after 2 seconds" },
  { token: "tok_flaky", name: "Flaky", effect: "fails twice, then approves" },
  {
    token: "tok_timeout_then_success",
    name: "Answer lost",
    effect: "charges, but the response never arrives",
  },
  { token: "tok_timeout", name: "Never answers", effect: "the order is undone after 2 minutes" },
  { token: "tok_declined", name: "Declined", effect: "the bank refuses the card" },
  { token: "tok_insufficient_funds", name: "No funds", effect: "refused for lack of money" },
  {
    token: "tok_refund_fails",
    name: "Refund fails",
    effect: "approved, but a refund of it is refused",
  },
];
