import { paymentsAt } from "./lib/profile.js";

// What Order does to Payment, at a rate that does not wait for answers: 80% charges, 20% refunds,
// by gRPC at Payment's own port.
export const options = paymentsAt({ minutes: 5, perSecond: 10 });
export { pay as default } from "./lib/payments.js";
