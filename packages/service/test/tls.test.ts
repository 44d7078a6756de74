import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http2 from "node:http2";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TlsOptions } from "../src/host/one-port.ts";
import { catalogAt, gate, type Host, host } from "./harness.ts";

/** Makes an authority and certificates of a server and a client; Node cannot, so by openssl. */
function certificates(folder: string) {
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-days",
    "2",
    "-subj",
    "/CN=test authority",
    "-keyout",
    file("ca.key"),
    "-out",
    file("ca.pem"),
  );
  writeFileSync(file("san"), "subjectAltName=IP:127.0.0.1");
  for (const name of ["server", "client"]) {
    openssl(
      "req",
      ...key,
      "-subj",
      `/CN=${name}`,
      "-keyout",
      file(`${name}.key`),
      "-out",
      file(`${name}.csr`),
    );
    const authority = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial"];
    openssl(
      "x509",
      "-req",
      "-days",
      "2",
      "-in",
      file(`${name}.csr`),
      ...authority,
      "-extfile",
      file("san"),
      "-out",
      file(`${name}.pem`),
    );
  }
  const read = (name: string) => readFileSync(file(name), "utf8");
  return {
    ca: read("ca.pem"),
    server: { cert: read("server.pem"), key: read("server.key") } satisfies TlsOptions,
    client: { cert: read("client.pem"), key: read("client.key") },
  };
}

let folder: string;
let pem: ReturnType<typeof certificates>;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tercet-tls-"));
  pem = certificates(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("TLS on the one port", () => {
  let shop: Host;
  beforeAll(async () => {
    const limits = {
      headersTimeoutMs: 200,
      requestTimeoutMs: 300,
      connectionsCheckingIntervalMs: 50,
    };
    shop = await host({ config: { tls: pem.server }, limits });
  });
  afterAll(() => shop[Symbol.asyncDispose]());

  test("gRPC and Connect over HTTP/2, Connect over HTTP/1.1", async () => {
    expect(shop.url).toMatch(/^https:/);
    const nodeOptions = { ca: pem.ca };
    for (const transport of [
      createGrpcTransport({ baseUrl: shop.url, nodeOptions }),
      createConnectTransport({ baseUrl: shop.url, httpVersion: "2", nodeOptions }),
      createConnectTransport({ baseUrl: shop.url, httpVersion: "1.1", nodeOptions }),
    ]) {
      expect((await catalogAt(transport).listProducts({})).products).toHaveLength(1);
    }
  });

  test.each([
    [["h2"], "h2"],
    [["h2", "http/1.1"], "h2"],
    [["http/1.1"], "http/1.1"],
  ])("ALPN %j agrees on %s", async (ALPNProtocols, agreed) => {
    const socket = connect({ port: shop.port, host: "127.0.0.1", ca: pem.ca, ALPNProtocols });
    await once(socket, "secureConnect");
    expect(socket.alpnProtocol).toBe(agreed);
    socket.destroy();
  });

  test("slow headers get 408, and half a body over HTTP/2 is reset", async () => {
    const socket = connect({ port: shop.port, host: "127.0.0.1", ca: pem.ca });
    await once(socket, "secureConnect");
    socket.write("POST / HTTP/1.1\r\n");
    expect(String((await once(socket, "data"))[0])).toContain("408 Request Timeout");
    const session = http2.connect(shop.url, { ca: pem.ca });
    const path = "/order.v1.CatalogService/ListProducts";
    const stream = session.request(
      { ":method": "POST", ":path": path, "content-type": "application/grpc" },
      { endStream: false },
    );
    stream.on("error", () => {});
    await once(stream, "close");
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_CANCEL);
    session.close();
  });

  test("a peer without a handshake is closed, as is one that does not speak TLS", async () => {
    for (const words of ["", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]) {
      const socket = connectTcp(shop.port, "127.0.0.1");
      socket.on("error", () => {}).resume();
      socket.write(words);
      await once(socket, "close");
    }
  });
});

test("calls in flight over TLS finish while the service drains", async () => {
  const [entered, release] = [gate(), gate()];
  const shop = await host({
    config: { tls: pem.server },
    catalog: {
      listProducts: async () => {
        entered.open();
        await release.opened;
        return {};
      },
    },
  });
  const nodeOptions = { ca: pem.ca };
  const calls = [
    catalogAt(createGrpcTransport({ baseUrl: shop.url, nodeOptions })).listProducts({}),
    catalogAt(
      createConnectTransport({ baseUrl: shop.url, httpVersion: "1.1", nodeOptions }),
    ).listProducts({}),
  ];
  await entered.opened;
  const drained = shop[Symbol.asyncDispose]();
  release.open();
  await Promise.all(calls);
  await drained;
});

test("with a client CA, a client needs a certificate", async () => {
  await using shop = await host({ config: { tls: { ...pem.server, clientCa: pem.ca } } });
  const call = (nodeOptions: { ca: string; cert?: string; key?: string }) =>
    Promise.all([
      catalogAt(createGrpcTransport({ baseUrl: shop.url, nodeOptions })).listProducts({}),
      catalogAt(
        createConnectTransport({ baseUrl: shop.url, httpVersion: "1.1", nodeOptions }),
      ).listProducts({}),
    ]);
  await call({ ca: pem.ca, ...pem.client });
  await expect(call({ ca: pem.ca })).rejects.toThrow();
  for (const httpVersion of ["1.1", "2"] as const) {
    const stranger = createConnectTransport({
      baseUrl: shop.url,
      httpVersion,
      nodeOptions: { ca: pem.ca },
    });
    await expect(catalogAt(stranger).listProducts({})).rejects.toThrow();
  }
});

test("healthcheck.js works over TLS, and with a client certificate", async () => {
  await using open = await host({ config: { tls: pem.server } });
  await using strict = await host({ config: { tls: { ...pem.server, clientCa: pem.ca } } });
  const program = new URL("../src/healthcheck.ts", import.meta.url).pathname;
  const files = { TLS_CERT: join(folder, "server.pem"), TLS_KEY: join(folder, "server.key") };
  const codeOf = (env: Record<string, string>) =>
    new Promise<number>((resolve) =>
      execFile(process.execPath, [program], { env }, (error) => resolve(Number(error?.code ?? 0))),
    );
  for (const { port } of [open, strict])
    expect(await codeOf({ PORT: String(port), ...files })).toBe(0);
  expect(await codeOf({ PORT: String(open.port) })).toBe(1);
});
