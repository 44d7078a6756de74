import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { K8sObject } from "./k8s-objects.ts";

export interface FakeKubernetes extends AsyncDisposable {
  readonly url: string;
}

/**
 * As much of an API server as helm asks when a template looks up a Secret, a claim of a volume or a
 * Deployment.
 */
export async function startFakeKubernetes(objects: readonly K8sObject[]): Promise<FakeKubernetes> {
  const resourcesOf = (kind: string) => {
    const singularName = kind.toLowerCase();
    const verbs = ["get", "list"];
    return [{ name: `${singularName}s`, singularName, namespaced: true, kind, verbs }];
  };
  const apps = { groupVersion: "apps/v1", version: "v1" };
  const answers: Record<string, unknown> = {
    "/version": { major: "1", minor: "37", gitVersion: "v1.37.2" },
    "/api": { kind: "APIVersions", versions: ["v1"] },
    "/apis": {
      kind: "APIGroupList",
      apiVersion: "v1",
      groups: [{ name: "apps", versions: [apps], preferredVersion: apps }],
    },
    "/api/v1": {
      kind: "APIResourceList",
      groupVersion: "v1",
      resources: [...resourcesOf("Secret"), ...resourcesOf("PersistentVolumeClaim")],
    },
    "/apis/apps/v1": {
      kind: "APIResourceList",
      groupVersion: "apps/v1",
      resources: resourcesOf("Deployment"),
    },
    ...Object.fromEntries(
      objects.map((object) => {
        const folder = object.apiVersion === "v1" ? "/api/v1" : "/apis/apps/v1";
        const resources = `${object.kind.toLowerCase()}s`;
        return [`${folder}/namespaces/tercet/${resources}/${object.metadata.name}`, object];
      }),
    ),
  };
  const missing = {
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    reason: "NotFound",
    code: 404,
  };
  const server = createServer(({ url = "" }, response) => {
    const answer = answers[new URL(url, "http://localhost").pathname];
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? missing));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
