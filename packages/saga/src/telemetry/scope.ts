/** The instrumentation scope of every span and metric of the engine. */
export const SCOPE = "@tercet/saga";
