/** Builds the page into a folder of its own and compares it byte for byte with the committed `dist`. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const committed = join(root, "dist");

async function contents(folder) {
  const names = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = names.filter((entry) => entry.isFile());
  const pairs = files.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(folder.length + 1), await readFile(path)];
  });
  return new Map(await Promise.all(pairs));
}

const fresh = await mkdtemp(join(tmpdir(), "flowd-web-"));
try {
  await build({ root, logLevel: "warn", build: { outDir: fresh, emptyOutDir: true } });
  const [want, have] = [await contents(fresh), await contents(committed)];
  const names = [...new Set([...want.keys(), ...have.keys()])].sort();
  const stale = names.filter((name) => !want.get(name)?.equals(have.get(name) ?? Buffer.alloc(0)));
  if (stale.length > 0) {
    console.error(`web/dist is not what the sources give: ${stale.join(", ")}`);
    console.error("Run `npm run build` in web/ and commit web/dist.");
    process.exitCode = 1;
  } else {
    console.log(`web/dist is what the sources give: ${names.join(", ")}`);
  }
} finally {
  await rm(fresh, { recursive: true });
}
