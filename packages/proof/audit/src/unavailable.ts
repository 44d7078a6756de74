import { isDatabaseUnavailable, RequestError } from "@tercet/service";

/** Whether an audit could not be made because a database, also a MongoDB, was not reachable. */
export const isUnavailable = (error: unknown): boolean =>
  isDatabaseUnavailable(error) || (error instanceof RequestError && error.reason === "UNAVAILABLE");
