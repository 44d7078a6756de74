import { listFiles, readTexts } from "@tercet/cli/repository";
import { expect, test } from "vitest";
import { workflowProblems } from "./workflows.ts";

const repository = await readTexts(await listFiles());
const CI = ".github/workflows/ci.yml";
const IMAGES = ".github/workflows/images.yml";
const SETUP = ".github/actions/setup/action.yml";
const DEPENDABOT = ".github/dependabot.yml";

test("nothing is wrong with ours", () => {
  expect(workflowProblems(repository)).toEqual([]);
});

test.each<[string, string, RegExp | string, string, RegExp]>([
  [
    "a pin by tag",
    CI,
    /(actions\/checkout)@[0-9a-f]{40} # v[\d.]+/,
    "$1@v6",
    /"actions\/checkout@v6" is not pinned/,
  ],
  ["a short commit", CI, /@([0-9a-f]{12})[0-9a-f]{28}/, "@$1", /is not pinned/],
  ["a pin without its version", SETUP, / # v6\.3\.0/, "", /setup-node@[0-9a-f]{40}" is not pinned/],
  [
    "two pins of one action",
    CI,
    /checkout@de0fac2e/,
    "checkout@de0fac2f",
    /actions\/checkout is pinned differently/,
  ],
  [
    "permissions for all jobs",
    CI,
    "permissions: {}",
    "permissions: read-all",
    /permissions are not {} at the top/,
  ],
  [
    "a job without permissions",
    CI,
    "    permissions:\n      contents: read\n",
    "",
    /ci.yml verify: no list of permissions/,
  ],
  [
    "a job that may write",
    CI,
    "contents: read",
    "contents: write",
    /ci.yml verify: may write contents/,
  ],
  [
    "more to write than it needs",
    IMAGES,
    "packages: write",
    "actions: write",
    /images.yml publish: may write actions/,
  ],
  [
    "a job without an end",
    CI,
    "    timeout-minutes: 30\n",
    "",
    /ci.yml verify: no timeout-minutes/,
  ],
  ["no concurrency", CI, /concurrency:(\n {2}.*)+\n/, "", /no concurrency group/],
  [
    "what strangers wrote, with our rights",
    CI,
    "  pull_request:\n",
    "  pull_request_target:\n",
    /on pull_request_target/,
  ],
  [
    "an expression as code",
    CI,
    'shard="$SHARD"',
    `shard="\${{ matrix.shard }}"`,
    /an expression in a run script/,
  ],
  [
    "credentials left behind",
    CI,
    "persist-credentials: false",
    "persist-credentials: true",
    /persist-credentials: false/,
  ],
  [
    "a script that is not there",
    CI,
    "pnpm verify",
    "pnpm verfiy",
    /there is no script for pnpm verfiy/,
  ],
  [
    "a path that is not there",
    CI,
    "src/mongo-store.test.ts",
    "src/shop.test.ts",
    /there is no .*\/shop.test.ts$/,
  ],
  [
    "a Dockerfile that is not there",
    IMAGES,
    "infra/docker/console.Dockerfile",
    "infra/docker/console.Containerfile",
    /there is no infra\/docker\/console.Containerfile/,
  ],
  [
    "an action that is not there",
    CI,
    "./.github/actions/setup",
    "./.github/actions/set-up",
    /there is no action/,
  ],
  [
    "a tool that is not there",
    CI,
    "tools: actionlint",
    "tools: actionlinter",
    /pnpm tools knows no actionlinter/,
  ],
  [
    "a folder that is not there",
    DEPENDABOT,
    "directory: /infra\n",
    "directory: /infrastructure\n",
    /there is no \/infrastructure/,
  ],
])("%s is found", (_what, path, before, after, problem) => {
  const text = repository.get(path) ?? "";
  const changed = text.replace(before, after);
  expect(changed).not.toBe(text);
  const found = workflowProblems(new Map([...repository, [path, changed]]));
  expect(found.filter((sentence) => problem.test(sentence))).not.toEqual([]);
});
