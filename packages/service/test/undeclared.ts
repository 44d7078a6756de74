import { create, createFileRegistry, type DescService } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MethodDescriptorProtoSchema,
  ServiceDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";

const file = create(FileDescriptorProtoSchema, {
  name: "test/v1/undeclared.proto",
  package: "test.v1",
  syntax: "proto3",
  messageType: [{ name: "Empty" }],
  service: [
    create(ServiceDescriptorProtoSchema, {
      name: "UndeclaredService",
      method: [
        create(MethodDescriptorProtoSchema, {
          name: "Nothing",
          inputType: ".test.v1.Empty",
          outputType: ".test.v1.Empty",
        }),
      ],
    }),
  ],
});

/** A service whose method lacks `(common.v1.access)`. */
export const UndeclaredService = createFileRegistry(
  create(FileDescriptorSetSchema, { file: [file] }),
).getService("test.v1.UndeclaredService") as DescService;
