import {
  create,
  type DescField,
  type DescMessage,
  type DescMethod,
  type Message,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { SagaService } from "@tercet/gen/order/v1/saga_service";
import { PaymentService } from "@tercet/gen/payment/v1/payment_service";
import { expect, test } from "vitest";
import { lowerCaseUuids } from "./lower-case-uuids.ts";

const ID = "0190c5f2-7c1d-7abc-8def-0123456789ab";
const services = [IdentityService, CatalogService, OrderService, SagaService, PaymentService];

/** Each field of a request that is an id by its name; `client_id` is a word. */
const ids = services
  .flatMap((service): DescMethod[] => service.methods)
  .flatMap((method) =>
    method.input.fields
      .filter(({ name }) => name.endsWith("_id") && name !== "client_id")
      .map((field) => ({ name: `${method.name}.${field.name}`, method, field })),
  );

test("the requests have ids", () => {
  expect(ids.length).toBeGreaterThan(15);
});

test.each(ids)("$name is accepted in upper case, and becomes lower case", async (id) => {
  const { method, field } = id;
  const message = withField(method.input, field, ID.toUpperCase());
  const { violations = [] } = createValidator().validate(method.input, message);
  expect(violations.map(({ field: [path] }) => path)).not.toContain(field);
  expect(reflect(method.input, await passedOn(method, message)).get(field)).toBe(ID);
});

test("text that is no id is left alone", async () => {
  const method = OrderService.method.cancelOrder;
  const message = create(method.input, { orderId: ID, reason: "CHANGED MY MIND" });
  expect(await passedOn(method, message)).toMatchObject({ reason: "CHANGED MY MIND" });
});

function withField(desc: DescMessage, field: DescField, value: string): Message {
  const message = reflect(desc);
  message.set(field, value);
  return message.message;
}

/** Returns the message as the handler gets it. */
async function passedOn(method: DescMethod, message: Message): Promise<Message> {
  if (method.methodKind === "unary") {
    await lowerCaseUuids(async () => ({}) as never)({ stream: false, method, message } as never);
    return message;
  }
  const messages = (async function* () {
    yield message;
  })();
  let seen = message;
  await lowerCaseUuids(async (req) => {
    for await (const one of req.message as AsyncIterable<Message>) seen = one;
    return {} as never;
  })({ stream: true, method, message: messages } as never);
  return seen;
}
