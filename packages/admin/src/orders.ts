import { create } from "@bufbuild/protobuf";
import {
  ListOrdersResponseSchema,
  type Order,
  OrderSchema,
  OrderStatus,
  WatchOrderResponseSchema,
} from "@tercet/gen/order/v1/order_service";
import { Command } from "commander";
import {
  type CommandProcess,
  choiceOf,
  connect,
  firstOf,
  limit,
  namesOf,
  once,
  uuid,
  withRequestId,
} from "./context.ts";
import { AdminError } from "./errors.ts";
import { moneyText, nameOf, timeText } from "./format.ts";
import type { Output } from "./output.ts";
import { eventLine, timelineOf } from "./timeline.ts";

const statuses = namesOf(OrderStatus);

export function orderCommands(process: CommandProcess): Command {
  const orders = new Command("orders").description("find, read, cancel and follow orders");

  orders
    .command("list")
    .description("list orders, newest first")
    .option("--status <status>", statuses.join(", "), choiceOf(statuses))
    .option("--customer <id>", "only orders of this customer", uuid)
    .option("--limit <n>", "how many", limit, 50)
    .action(async (options, command) => {
      const { api, output } = connect(process, command);
      const status = OrderStatus[options.status as keyof typeof OrderStatus];
      const found = await firstOf(options.limit, {
        output,
        fetch: async (page) => {
          const customerId = options.customer ?? "";
          const response = await api.orders.listOrders({ ...page, status, customerId });
          return { items: response.orders, nextPageToken: response.nextPageToken };
        },
      });
      output.list(
        ListOrdersResponseSchema,
        create(ListOrdersResponseSchema, { orders: found }),
        ["ORDER", "STATUS", "TOTAL", "CUSTOMER", "CREATED", "FAILURE"],
        found.map((order) => [
          order.id,
          nameOf(OrderStatus, order.status),
          moneyText(order.total),
          order.customerId,
          timeText(order.createTime),
          order.failure?.reason ?? "",
        ]),
      );
    });

  orders
    .command("show")
    .description("show an order with its timeline")
    .argument("<order>", "its id", uuid)
    .action(async (orderId, _options, command) => {
      const { api, output } = connect(process, command);
      showOrder(output, await api.orders.getOrder({ orderId }));
    });

  withRequestId(
    orders
      .command("cancel")
      .description("cancel an order: its payment is refunded, its stock returned")
      .argument("<order>", "its id", uuid)
      .requiredOption("--reason <text>", "why, stored with the order"),
  ).action(async (orderId, options, command) => {
    const { api, output } = connect(process, command);
    const { reason } = options;
    const cancel = (requestId: string) =>
      api.orders.cancelOrder({ orderId, requestId, reason }, { timeoutMs: WAIT_MS });
    showOrder(output, await once(options, cancel));
  });

  orders
    .command("watch")
    .description("follow an order until it has ended; exits with 1 if it needs attention")
    .argument("<order>", "its id", uuid)
    .action(async (orderId, _options, command) => {
      const { api, output } = connect(process, command);
      const stream = api.orders.watchOrder({ orderId }, { signal: process.signal, timeoutMs: 0 });
      let status = OrderStatus.UNSPECIFIED;
      for await (const message of stream) {
        status = message.order?.status ?? status;
        const { event, order } = message;
        const line = [timeText(event?.time ?? order?.updateTime), nameOf(OrderStatus, status)];
        output.event(
          WatchOrderResponseSchema,
          message,
          [...line, ...(event ? [eventLine(event)] : [])].join("  "),
        );
      }
      if (status === OrderStatus.NEEDS_ATTENTION)
        throw new AdminError('the order needs attention: see "pnpm admin sagas list --late"');
    });

  return orders;
}

/** The service returns within it, with the order as it is then. */
const WAIT_MS = 10_000;

function showOrder(output: Output, order: Order): void {
  const { failure } = order;
  output.one(
    OrderSchema,
    order,
    [
      ["order", order.id],
      ["status", nameOf(OrderStatus, order.status)],
      ["failure", failure === undefined ? "" : `${failure.reason}: ${failure.message}`],
      ["total", moneyText(order.total)],
      ...order.items.map(
        ({ sku, name, quantity, total }) =>
          ["item", `${quantity} × ${sku} ${name}, ${moneyText(total)}`] as const,
      ),
      ["customer", order.customerId],
      ["payment", order.paymentId],
      ["sagas", order.sagaIds.join(" ")],
      ["created", timeText(order.createTime)],
      ["updated", timeText(order.updateTime)],
    ],
    timelineOf(order.timeline),
  );
}
