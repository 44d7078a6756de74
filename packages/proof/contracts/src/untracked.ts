/** Disables the usage reports of Pact's core. Import this before Pact. */
process.env["PACT_DO_NOT_TRACK"] = "true";
