import {
  type Payment,
  PaymentSchema,
  PaymentStatus,
  RefundStatus,
} from "@tercet/gen/payment/v1/payment_service";
import { Command } from "commander";
import { type CommandProcess, connect, once, uuid, withRequestId } from "./context.ts";
import { AdminError, EXIT } from "./errors.ts";
import { moneyText, nameOf, parseMinorUnits, timeText } from "./format.ts";
import type { Output } from "./output.ts";

export function paymentCommands(process: CommandProcess): Command {
  const payments = new Command("payments").description("read and refund payments");

  payments
    .command("show")
    .description("show a payment with its refunds and its audit trail")
    .argument("<payment>", "its id; an order names its payment", uuid)
    .action(async (paymentId, _options, command) => {
      const { api, output } = connect(process, command);
      showPayment(output, await api.payments.getPayment({ paymentId }));
    });

  withRequestId(
    payments
      .command("refund")
      .description("refund a payment, whole or in part; to undo an order, cancel it instead")
      .argument("<payment>", "its id", uuid)
      .option(
        "--amount <amount>",
        'like "19.99", in the payment\'s currency; default: all that is left',
      )
      .requiredOption("--reason <text>", "why, stored with the refund"),
  ).action(async (paymentId, options, command) => {
    const { api, output } = connect(process, command);
    const { reason } = options;
    const amount =
      options.amount === undefined
        ? undefined
        : amountOf(options.amount, await api.payments.getPayment({ paymentId }));
    const refund = (refundId: string) =>
      api.payments.refundPayment({ paymentId, refundId, reason, ...(amount && { amount }) });
    showPayment(output, await once(options, refund));
  });

  return payments;
}

function amountOf(text: string, { amount }: Payment) {
  const currencyCode = amount?.currencyCode ?? "";
  const minorUnits = parseMinorUnits(text, currencyCode);
  if (minorUnits === undefined)
    throw new AdminError(`--amount: "${text}" is no amount of ${currencyCode}`, EXIT.usage);
  return { currencyCode, minorUnits };
}

function showPayment(output: Output, payment: Payment): void {
  output.one(
    PaymentSchema,
    payment,
    [
      ["payment", payment.id],
      ["status", nameOf(PaymentStatus, payment.status)],
      ["declined", payment.declineReason ?? ""],
      ["amount", moneyText(payment.amount)],
      ["refunded", moneyText(payment.refunded)],
      ...payment.refunds.map(
        ({ id, amount, status, reason }) =>
          [
            "refund",
            `${moneyText(amount)} ${nameOf(RefundStatus, status)} ${id} ${reason}`,
          ] as const,
      ),
      ["order", payment.orderId],
      ["customer", payment.customerId],
      ["provider's id", payment.providerReference ?? ""],
      ["created", timeText(payment.createTime)],
      ["updated", timeText(payment.updateTime)],
    ],
    {
      head: ["TIME", "EVENT", "DETAIL"],
      rows: payment.events.map(({ time, type, detail }) => [timeText(time), type, detail]),
    },
  );
}
