import { readFile } from "node:fs/promises";
import {
  createFileRegistry,
  type DescMessage,
  type DescService,
  fromBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** The suite's contracts, as descriptors of the version that runs; we keep no copy of them. */
export interface Contract {
  readonly service: DescService;
  message(name: string): DescMessage;
}

const PACKAGE = "connectrpc.conformance.v1";

/** @param path of the descriptor set that `buf build` made of the suite's proto files */
export async function loadContract(path: string): Promise<Contract> {
  const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(path)));
  return {
    service: known("ConformanceService", files.getService(`${PACKAGE}.ConformanceService`)),
    message: (name) => known(name, files.getMessage(`${PACKAGE}.${name}`)),
  };
}

function known<T>(name: string, found: T | undefined): T {
  if (found === undefined) throw new Error(`the suite's contracts have no ${name}`);
  return found;
}
