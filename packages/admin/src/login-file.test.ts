import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type TemporaryFolder, temporaryFolder } from "@tercet/cli";
import { afterEach, beforeEach, expect, test } from "vitest";
import { changeLogin, type Login, readLogin } from "./login-file.ts";

const SYSTEM = "http://127.0.0.1:8000";
const login = (refreshToken: string): Login => ({
  email: "olivia@example.com",
  userId: "an id",
  accessToken: "an access token",
  accessExpireMs: 0,
  refreshToken,
});

let folder: TemporaryFolder;
let file: string;
beforeEach(async () => {
  folder = await temporaryFolder("logins");
  file = join(folder.path, "tercet/logins.json");
});
afterEach(() => folder[Symbol.asyncDispose]());

const put = (system: string, token: string) => changeLogin(file, system, async () => login(token));

test("each system has one login, and removing one keeps the others", async () => {
  expect(await readLogin(file, SYSTEM)).toBeUndefined();
  await put(SYSTEM, "a");
  await put("https://other.example", "b");
  await changeLogin(file, SYSTEM, async () => undefined);
  expect(await readLogin(file, SYSTEM)).toBeUndefined();
  expect(await readLogin(file, "https://other.example")).toEqual(login("b"));
});

test("only the user may read the file and enter its folder, whatever the umask", async () => {
  const before = process.umask(0);
  try {
    await put(SYSTEM, "a");
  } finally {
    process.umask(before);
  }
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(dirname(file))).mode & 0o777).toBe(0o700);
  expect(await readdir(dirname(file))).toEqual(["logins.json"]);
});

test("a file that others may read is refused", async () => {
  await put(SYSTEM, "a");
  await chmod(file, 0o640);
  await expect(readLogin(file, SYSTEM)).rejects.toThrow(/can be read by other users/);
});

test.each(["", "{", "[]", '{"x": {"email": 1}}'])("a damaged file (%s) is named", async (text) => {
  await mkdir(dirname(file), { mode: 0o700 });
  await writeFile(file, text, { mode: 0o600 });
  await expect(readLogin(file, SYSTEM)).rejects.toThrow(/logins.json is damaged/);
});

test("a change that fails leaves the file, and no lock", async () => {
  await put(SYSTEM, "a");
  const failing = changeLogin(file, SYSTEM, async () => {
    throw new Error("no network");
  });
  await expect(failing).rejects.toThrow("no network");
  expect(await readLogin(file, SYSTEM)).toEqual(login("a"));
  expect(await readdir(dirname(file))).toEqual(["logins.json"]);
});

test("concurrent changes happen one after another, each on what the one before left", async () => {
  await put(SYSTEM, "0");
  let running = 0;
  await Promise.all(
    Array.from({ length: 8 }, () =>
      changeLogin(file, SYSTEM, async (current) => {
        expect(++running).toBe(1);
        await sleep(2);
        running--;
        return login(String(Number(current?.refreshToken) + 1));
      }),
    ),
  );
  expect((await readLogin(file, SYSTEM))?.refreshToken).toBe("8");
});
