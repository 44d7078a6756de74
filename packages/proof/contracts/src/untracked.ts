/** Pact's core reports its use to its maker unless it is told not to. Import this before it. */
process.env["PACT_DO_NOT_TRACK"] = "true";
