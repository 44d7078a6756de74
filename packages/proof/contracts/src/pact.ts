import { create, type DescEnum, type DescMethod, toBinary } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import type { Code } from "@connectrpc/connect";
import { codeToHttpStatus, codeToString } from "@connectrpc/connect/protocol-connect";
import { Matchers, type Pact } from "@pact-foundation/pact";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";

/**
 * What the provider must be made to know first. What its handler answers takes the place of
 * `fromState`.
 */
export interface State {
  readonly name: string;
  readonly params?: Readonly<Record<string, string>>;
}

/**
 * One call as the consumer makes it, and what it relies on in the answer. Plain values are exact;
 * matchers stand where values vary.
 */
export interface Exchange {
  readonly receiving: string;
  readonly given?: readonly State[];
  readonly method: DescMethod;
  /** Whether it is called with the token that a state gives. */
  readonly token?: boolean;
  readonly request: unknown;
  readonly answer: unknown;
}

/**
 * Lets the consumer's own code make the call against Pact's server, and writes both down. Fails
 * when the call differs, or when `call` does.
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

/** Something else than an RPC that is fetched. */
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

/** What every example is called with. */
export const EXAMPLE_TOKEN = "an.access.token";
const BEARER = Matchers.fromProviderState(`Bearer \${token}`, `Bearer ${EXAMPLE_TOKEN}`);

/**
 * An error as it travels: the code, and among its details the reason with exactly this metadata.
 * What people read may change.
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

/** An id that the provider's state knows. */
export const fromState = (name: string, example: string) =>
  Matchers.fromProviderState(`\${${name}}`, example);

export const uuid = (example: string) =>
  Matchers.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, example);
export const timestamp = () =>
  Matchers.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, "2026-01-31T12:00:00.123456Z");
export const duration = (example: string) => Matchers.regex(/^\d+(\.\d+)?s$/, example);
export const jwt = () => Matchers.regex(/^[\w-]+\.[\w-]+\.[\w-]+$/, EXAMPLE_TOKEN);
export const text = (example: string) => Matchers.regex(/^.+$/, example);
/** Any value of an enum but the one that says nothing. */
export const oneOf = ({ values }: DescEnum) => {
  const names = values.filter(({ number }) => number !== 0).map(({ name }) => name);
  return Matchers.regex(`^(${names.join("|")})$`, names[0] ?? "");
};
/** Its unit is the contract: a string of minor units. */
export const euros = (minorUnits: bigint) => ({
  currencyCode: "EUR",
  minorUnits: String(minorUnits),
});
