import { create, type DescEnum, type DescMethod, toBinary } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import type { Code } from "@connectrpc/connect";
import { codeToHttpStatus, codeToString } from "@connectrpc/connect/protocol-connect";
import { Matchers, type Pact } from "@pact-foundation/pact";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";

/** A provider state. The values that its handler returns replace those of `fromState`. */
export interface State {
  readonly name: string;
  readonly params?: Readonly<Record<string, string>>;
}

/**
 * One call of the consumer, and what it relies on in the response. Plain values are exact; matchers
 * are for values that vary.
 */
export interface Exchange {
  readonly receiving: string;
  readonly given?: readonly State[];
  readonly method: DescMethod;
  /** Whether it is called with the token of a state. */
  readonly token?: boolean;
  readonly request: unknown;
  readonly answer: unknown;
}

/**
 * Makes a call by the consumer's own code against Pact's server, which records the interaction.
 * Rejects when the call differs, or `call` rejects.
 */
export async function exchange(
  pact: Pact,
  { given = [], ...how }: Exchange,
  call: (url: string) => Promise<void>,
): Promise<void> {
  const { method, receiving, token = false, request, answer } = how;
  const refusal = answer instanceof Refusal ? answer : undefined;
  await started(pact, given, receiving)
    .withRequest("POST", `/${method.parent.typeName}/${method.name}`, (builder) => {
      builder
        .headers({
          ...JSON_HEADERS,
          "connect-protocol-version": "1",
          ...(token && { authorization: BEARER }),
        })
        .jsonBody(request);
    })
    .willRespondWith(refusal === undefined ? 200 : codeToHttpStatus(refusal.code), (builder) => {
      builder.headers(JSON_HEADERS).jsonBody(refusal === undefined ? answer : refusal.toJson());
    })
    .executeTest(({ url }) => call(url));
}

/** The same for a GET that is not an RPC. */
export async function fetched(
  pact: Pact,
  receiving: string,
  path: string,
  answer: unknown,
  call: (url: string) => Promise<void>,
): Promise<void> {
  await started(pact, [], receiving)
    .withRequest("GET", path)
    .willRespondWith(200, (builder) => void builder.jsonBody(answer))
    .executeTest(({ url }) => call(`${url}${path}`));
}

function started(pact: Pact, given: readonly State[], receiving: string) {
  const interaction = given.reduce(
    (one, { name, params = {} }) => one.given(name, params),
    pact.addInteraction(),
  );
  return interaction.uponReceiving(receiving);
}

const JSON_HEADERS = { "Content-Type": "application/json" };

/** The token of every example. */
export const EXAMPLE_TOKEN = "an.access.token";
const BEARER = Matchers.fromProviderState(`Bearer \${token}`, `Bearer ${EXAMPLE_TOKEN}`);

/**
 * An error on the wire: the code, and a detail with the reason and exactly this metadata. The
 * message may change.
 */
export class Refusal {
  readonly code: Code;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: Code, reason: string, metadata: Readonly<Record<string, string>> = {}) {
    this.code = code;
    this.reason = reason;
    this.metadata = metadata;
  }

  toJson(): unknown {
    const info = create(ErrorInfoSchema, { reason: this.reason, metadata: this.metadata });
    const value = base64Encode(toBinary(ErrorInfoSchema, info), "std_raw");
    const details = Matchers.arrayContaining({ type: ErrorInfoSchema.typeName, value });
    return { code: codeToString(this.code), message: Matchers.string("for people"), details };
  }
}

/** A value that the provider state supplies. */
export const fromState = (name: string, example: string) =>
  Matchers.fromProviderState(`\${${name}}`, example);

export const uuid = (example: string) =>
  Matchers.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, example);
export const timestamp = () =>
  Matchers.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, "2026-01-31T12:00:00.123456Z");
export const duration = (example: string) => Matchers.regex(/^\d+(\.\d+)?s$/, example);
export const jwt = () => Matchers.regex(/^[\w-]+\.[\w-]+\.[\w-]+$/, EXAMPLE_TOKEN);
export const text = (example: string) => Matchers.regex(/^.+$/, example);
/** Any value of an enum except the unspecified one. */
export const oneOf = ({ values }: DescEnum) => {
  const names = values.filter(({ number }) => number !== 0).map(({ name }) => name);
  return Matchers.regex(`^(${names.join("|")})$`, names[0] ?? "");
};
/** Minor units as a string. */
export const euros = (minorUnits: bigint) => ({
  currencyCode: "EUR",
  minorUnits: String(minorUnits),
});
