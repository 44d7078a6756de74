import { Counter, Rate, Trend } from "k6/metrics";

/** From CreateOrder to the order's end, PENDING times included; only of orders that ended. */
export const orderCreationDuration = new Trend("order_creation_duration", true);
/**
 * Whether the order or payment ended exactly as it had to. Anything else, an exception too, is a
 * failure.
 */
export const paymentProcessingSuccess = new Rate("payment_processing_success");
/** Money that went back, and was seen to be back. */
export const compensationCalls = new Counter("compensation_calls");
/**
 * Successes by `kind`. k6 passes every threshold on a rate that has no samples; this one fails a
 * run in which some kind never ended as expected, be it that nothing was tried or that nothing came
 * to an end.
 */
export const expectedEndings = new Counter("expected_endings");
/** gRPC has no counterpart of http_req_failed in k6. */
export const grpcReqFailed = new Rate("grpc_req_failed");
