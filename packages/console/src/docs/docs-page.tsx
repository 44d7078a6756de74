import { useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { Check, Copy, FileJson } from "lucide-react";
import { useMemo, useState } from "react";
import { accessToken } from "../session/session.ts";
import { Button } from "../ui/button.tsx";
import { plural } from "../ui/format.ts";
import { Page, Panel } from "../ui/page.tsx";
import { ErrorPanel, Skeleton } from "../ui/states.tsx";
import { useCopy } from "../ui/values.tsx";
import {
  curlOf,
  type FieldText,
  fieldsOf,
  type Method,
  methodsOf,
  type OpenApi,
} from "./openapi.ts";

async function loadOpenApi({ signal }: { signal: AbortSignal }): Promise<OpenApi> {
  const response = await fetch("/openapi.json", { signal });
  if (!response.ok) throw new Error(`/openapi.json: ${response.status}`);
  return (await response.json()) as OpenApi;
}

/** The API reference: each method with its fields, rules, reasons and an example to try. */
export function DocsPage() {
  const api = useQuery({ queryKey: ["openapi"], queryFn: loadOpenApi, staleTime: Infinity });
  return (
    <Page
      title="API"
      heading="API reference"
      lead="Every method as JSON over HTTP. The same are there as gRPC, gRPC-Web and Connect."
      actions={
        <a className="button button-plain" href="/openapi.json" download>
          <FileJson aria-hidden size={16} /> OpenAPI 3.1
        </a>
      }
    >
      {api.isPending && <Skeleton lines={10} label="Loading the reference" />}
      {api.isError && <ErrorPanel error={api.error} onRetry={() => void api.refetch()} />}
      {api.data && <Reference api={api.data} />}
    </Page>
  );
}

const FIRST = "order.v1.OrderService/CreateOrder";

function Reference({ api }: { readonly api: OpenApi }) {
  const { method: chosen = FIRST } = useSearch({ from: "/docs" });
  const [filter, setFilter] = useState("");
  const methods = useMemo(() => methodsOf(api), [api]);
  const shown = methods.filter(({ path }) => path.toLowerCase().includes(filter.toLowerCase()));
  const services = [...new Set(shown.map(({ service }) => service))];
  const method = methods.find(({ path }) => path === chosen) ?? methods[0];
  return (
    <div className="docs">
      <nav className="docs-methods" aria-label="Methods">
        <input
          type="search"
          placeholder="Filter methods"
          aria-label="Filter methods"
          value={filter}
          onChange={({ target }) => setFilter(target.value)}
        />
        {services.map((service) => (
          <div key={service}>
            <p className="rail-title">{service.split(".").at(-1)}</p>
            {shown
              .filter((each) => each.service === service)
              .map(({ path, name }) => (
                <Link
                  key={path}
                  to="/docs"
                  search={{ method: path }}
                  className="docs-method"
                  aria-current={path === method?.path ? "page" : undefined}
                >
                  {name}
                </Link>
              ))}
          </div>
        ))}
        {shown.length === 0 && <p className="hint">No method has this in its name.</p>}
      </nav>
      {method && <MethodView key={method.path} method={method} api={api} />}
    </div>
  );
}

function MethodView({ method, api }: { readonly method: Method; readonly api: OpenApi }) {
  const { path, name, service, summary, description, access, reasons } = method;
  const request = fieldsOf(method.request, api);
  const response = method.response === undefined ? [] : fieldsOf(method.response, api);
  return (
    <article className="docs-article">
      <p className="docs-path">
        <span className="verb">POST</span> <code>/{path}</code>
      </p>
      <h2 className="docs-title">
        {name} <small>{service}</small>
      </h2>
      <p className="docs-summary">{summary}</p>
      <Text text={description} />
      <p className="docs-access">
        <span>Who may call it:</span>
        {access.map((role) => (
          <span key={role} className="chip chip-set">
            {role}
          </span>
        ))}
      </p>
      <Try method={method} />
      <Panel title="Request">
        <Fields fields={request} none="It has no fields." />
      </Panel>
      <Panel title={method.isStream ? "Each message of the response" : "Response"}>
        <Fields fields={response} none="It has no fields." />
      </Panel>
      {reasons.length > 0 && (
        <Panel title="Error reasons" flush>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Reason</th>
                <th scope="col" className="wide-only">
                  Code
                </th>
                <th scope="col">When</th>
              </tr>
            </thead>
            <tbody>
              {reasons.map(({ reason, code, when }) => (
                <tr key={reason}>
                  <td>
                    <code>{reason}</code>
                    <small className="beneath narrow-only">{code}</small>
                  </td>
                  <td className="wide-only muted">{code}</td>
                  <td>
                    <Text text={when} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Panel>
      )}
    </article>
  );
}

/** Paragraphs with `code` in them. */
const Text = ({ text }: { readonly text: string }) =>
  text
    .split("\n\n")
    .filter((paragraph) => paragraph.trim() !== "")
    .map((paragraph) => (
      <p key={paragraph} className="docs-text">
        {paragraph.split("`").map((part, index) =>
          // Every other part is between two of them.
          index % 2 === 1 ? <code key={`${index} ${part}`}>{part}</code> : part,
        )}
      </p>
    ));

function Fields({
  fields,
  none,
}: {
  readonly fields: readonly FieldText[];
  readonly none: string;
}) {
  if (fields.length === 0) return <p className="muted">{none}</p>;
  return (
    <ul className="fields">
      {fields.map(({ name, type, rules, description, fields: inner }) => (
        <li key={name}>
          <p className="field-head">
            <code className="field-name">{name}</code>
            <span className="field-type">{type}</span>
          </p>
          <Text text={description} />
          {rules.length > 0 && <p className="field-rules">{rules.join(" · ")}</p>}
          {inner.length > 0 && (
            <details>
              <summary>{plural(inner.length, "field")}</summary>
              <Fields fields={inner} none="" />
            </details>
          )}
        </li>
      ))}
    </ul>
  );
}

interface Answer {
  readonly status: number;
  readonly ms: number;
  readonly text: string;
}

/** Calls the method as the signed-in user, with what is in the box. */
function Try({ method }: { readonly method: Method }) {
  const [body, setBody] = useState(() => JSON.stringify(withFreshIds(method.example), null, 2));
  const [answer, setAnswer] = useState<Answer>();
  const [busy, setBusy] = useState(false);
  const [copied, copy] = useCopy(curlOf(method, location.origin));
  const send = async () => {
    setBusy(true);
    try {
      setAnswer(await call(method.path, body));
    } catch (error) {
      setAnswer({ status: 0, ms: 0, text: String(error) });
    } finally {
      setBusy(false);
    }
  };
  return (
    <Panel
      title="Try it"
      aside={
        <Button small look="quiet" onClick={copy}>
          {copied ? <Check aria-hidden size={14} /> : <Copy aria-hidden size={14} />}
          {copied ? "Copied" : "Copy as curl"}
        </Button>
      }
    >
      {method.isStream ? (
        <p className="muted">
          This is a stream: an order's page follows it live. Call it with a gRPC or Connect client.
        </p>
      ) : (
        <div className="try">
          <label className="field">
            <span>Request</span>
            <textarea
              className="mono"
              spellCheck={false}
              rows={Math.min(16, body.split("\n").length + 1)}
              value={body}
              onChange={({ target }) => setBody(target.value)}
            />
          </label>
          <div className="try-actions">
            <Button look="primary" busy={busy} onClick={() => void send()}>
              Send as yourself
            </Button>
            {answer && (
              <span
                className="outcome"
                data-tone={answer.status === 200 ? "green" : "red"}
                role="status"
              >
                {answer.status === 0 ? "no response" : answer.status} · {Math.round(answer.ms)} ms
              </span>
            )}
          </div>
          {answer && (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
            <pre className="answer" tabIndex={0}>
              {answer.text}
            </pre>
          )}
        </div>
      )}
    </Panel>
  );
}

/** A request id of an example would be one that was used before. */
const withFreshIds = (example: object): object =>
  "requestId" in example ? { ...example, requestId: crypto.randomUUID() } : example;

async function call(path: string, body: string): Promise<Answer> {
  const token = await accessToken();
  const startMs = performance.now();
  const response = await fetch(`/${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body,
  });
  const text = await response.text();
  return { status: response.status, ms: performance.now() - startMs, text: pretty(text) };
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
