import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { breakingBase, gitIn } from "./breaking.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tercet-git-"));
  await git("init", "--quiet", "--initial-branch=main");
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function git(...args: string[]): Promise<string> {
  const answer = await gitIn(folder)(
    "-c",
    "user.name=test",
    "-c",
    "user.email=test@example.com",
    ...args,
  );
  if (answer === undefined) throw new Error(`git ${args.join(" ")} failed`);
  return answer;
}

/** Each with a message of its own: two equal commits of one second would be the same commit. */
async function commit(): Promise<string> {
  await git("add", "--all");
  await git("commit", "--quiet", "--allow-empty", `--message=${randomUUID()}`);
  return git("rev-parse", "HEAD");
}

async function commitContracts(): Promise<string> {
  await mkdir(join(folder, "proto"));
  await writeFile(join(folder, "proto/order.proto"), 'syntax = "proto3";\n');
  await writeFile(join(folder, "buf.yaml"), "version: v2\n");
  return commit();
}

const base = (named?: string) => breakingBase(gitIn(folder), named);

test("a branch is compared with where it left main", async () => {
  const fork = await commitContracts();
  await git("switch", "--quiet", "--create", "feature");
  await commit();
  await commit();
  await git("switch", "--quiet", "main");
  await commit();
  await git("switch", "--quiet", "feature");
  expect(await base()).toEqual({ commit: fork });
});

test("origin/main goes before main", async () => {
  const published = await commitContracts();
  await git("update-ref", "refs/remotes/origin/main", published);
  await commit();
  await commit();
  expect(await base()).toEqual({ commit: published });
});

test("main itself is compared with the commit before", async () => {
  const before = await commitContracts();
  await commit();
  expect(await base()).toEqual({ commit: before });
});

test("a named commit goes before all", async () => {
  const first = await commitContracts();
  await commit();
  await commit();
  expect(await base(first.slice(0, 10))).toEqual({ commit: first });
  await expect(base("nowhere")).rejects.toThrow("BUF_BREAKING_AGAINST=nowhere");
});

test("there is nothing to compare with", async () => {
  const nothing = { none: "there is no earlier commit to compare with" };
  expect(await base()).toEqual(nothing);
  await commitContracts();
  expect(await base()).toEqual(nothing);
});

test("a base without contracts has nothing to break", async () => {
  await commit();
  await commitContracts();
  expect(await base()).toEqual({ none: expect.stringContaining("has no proto/") });
});
