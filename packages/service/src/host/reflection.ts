import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import {
  ServerReflection,
  type ServerReflectionRequest,
} from "@tercet/gen/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionV1Alpha } from "@tercet/gen/grpc/reflection/v1alpha/reflection";

/** The descriptors by what clients look them up by. */
interface Index {
  readonly services: readonly DescService[];
  readonly files: ReadonlyMap<string, DescFile>;
  /** Files by the full names of their services, methods, messages, enums and extensions. */
  readonly symbols: ReadonlyMap<string, DescFile>;
  /** Files of extensions, by extended message and field number. */
  readonly extensions: ReadonlyMap<string, ReadonlyMap<number, DescFile>>;
}

/**
 * Returns the routes of grpc.reflection.v1 and v1alpha for these services. Source:
 * github.com/grpc/grpc, doc/server-reflection.md.
 */
export function reflectionRoutes(services: readonly DescService[]) {
  const index = buildIndex([...services, ServerReflection, ServerReflectionV1Alpha]);
  async function* serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>) {
    for await (const originalRequest of requests) {
      yield {
        validHost: originalRequest.host,
        originalRequest,
        messageResponse: respond(index, originalRequest.messageRequest),
      };
    }
  }
  return (router: ConnectRouter) =>
    router
      .service(ServerReflection, { serverReflectionInfo })
      // The messages of the two versions differ only in their package.
      .service(ServerReflectionV1Alpha, { serverReflectionInfo: serverReflectionInfo as never });
}

function buildIndex(services: readonly DescService[]): Index {
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  const extensions = new Map<string, Map<number, DescFile>>();
  const add = (file: DescFile) => {
    if (files.has(file.proto.name)) return;
    files.set(file.proto.name, file);
    for (const type of nestedTypes(file)) {
      symbols.set(type.typeName, file);
      if (type.kind === "service")
        for (const method of type.methods) symbols.set(`${type.typeName}.${method.name}`, file);
      if (type.kind === "extension") {
        const numbers = extensions.get(type.extendee.typeName) ?? new Map<number, DescFile>();
        extensions.set(type.extendee.typeName, numbers.set(type.number, file));
      }
    }
    file.dependencies.forEach(add);
  };
  for (const service of services) add(service.file);
  // No method refers to it: it is a detail of errors.
  add(ErrorInfoSchema.file);
  return { services, files, symbols, extensions };
}

function respond(index: Index, request: ServerReflectionRequest["messageRequest"]) {
  switch (request.case) {
    case "listServices":
      return {
        case: "listServicesResponse" as const,
        value: { service: index.services.map((s) => ({ name: s.typeName })) },
      };
    case "fileByFilename":
      return fileResponse(index.files.get(request.value));
    case "fileContainingSymbol":
      return fileResponse(index.symbols.get(request.value));
    case "fileContainingExtension":
      return fileResponse(
        index.extensions.get(request.value.containingType)?.get(request.value.extensionNumber),
      );
    case "allExtensionNumbersOfType": {
      if (!index.symbols.has(request.value)) return notFoundResponse();
      const extensionNumber = [...(index.extensions.get(request.value)?.keys() ?? [])];
      return {
        case: "allExtensionNumbersResponse" as const,
        value: { baseTypeName: request.value, extensionNumber },
      };
    }
    default:
      return notFoundResponse();
  }
}

/** Returns the file and all its imports, so that one request is enough. */
function fileResponse(file: DescFile | undefined) {
  if (file === undefined) return notFoundResponse();
  const ordered = new Set<DescFile>();
  const visit = (f: DescFile) => {
    f.dependencies.forEach(visit);
    ordered.add(f);
  };
  visit(file);
  // Clients expect the requested file first.
  const fileDescriptorProto = [...ordered]
    .reverse()
    .map((f) => toBinary(FileDescriptorProtoSchema, f.proto));
  return { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } };
}

const notFoundResponse = () => ({
  case: "errorResponse" as const,
  value: { errorCode: Code.NotFound, errorMessage: "not found" },
});
