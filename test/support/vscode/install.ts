/**
 * VS Code's own server and workbench for the tests of the editor, from the npm package `code-server`, in a cache folder outside
 * the checkout. Nothing is compiled: of the native modules that are used two have no prebuilt binary, and a file each in
 * scripts/vscode stands in for them.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

const version = '4.139.1';
const integrity = 'sha512-fUYvJVdz4ZoVJfakGiGWXFMpF8K1ObsrpGvX17ZxNpKOzdNHs7lANT670JTr4ZhA8DnWqyvvmFG/d3HV9Yy6ew==';
/** Goes up when what is done to the package below changes, so that an older cache is not taken for this one. */
const revision = 1;

/** Modules that no test needs: chat, sandboxes, containers, Windows; three quarters of the download, and most of what would compile. */
const unusedModules = [
  '@devcontainers/cli',
  '@github/copilot-sdk',
  '@microsoft/mxc-sdk',
  '@vscode/copilot-api',
  '@vscode/sandbox-runtime',
  '@vscode/sqlite3',
  '@vscode/tree-sitter-wasm',
  '@vscode/windows-process-tree',
  '@vscode/windows-registry',
  'kerberos',
  'ssh2',
];

/** Built-in extensions that are large, and those that look for accounts or repositories at every start. */
const unusedExtensions = ['copilot', 'mermaid-markdown-features', 'github', 'git'];

const shims = { '@vscode/spdlog': 'spdlog.cjs', '@vscode/native-watchdog': 'native-watchdog.cjs' };

/** Where Debian's package puts Chromium; scripts/test.mjs installs it. */
const defaultBrowser = '/usr/bin/chromium';

function cacheDirectory(): string {
  const own = process.env['TIDEMARK_TEST_CACHE'];
  return own ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'tidemark-vscode');
}

function check(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): void {
  const result = spawnSync(command, args, { ...options, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (result.error !== undefined) throw new Error(`${command} could not be started`, { cause: result.error });
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${result.status}:\n${result.stdout}${result.stderr}`);
}

/** npm as the user has set it up, without what a running npm script tells its children, and on the project's Node. */
function npmEnvironment(): NodeJS.ProcessEnv {
  const ofScript = /^npm_(config_(?!registry|userconfig|cache)|package_|lifecycle_)/i;
  const kept = Object.entries(process.env).filter(([name]) => !ofScript.test(name));
  const path = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  return { ...Object.fromEntries(kept), PATH: path };
}

function unpack(work: string): string {
  const env = npmEnvironment();
  check('npm', ['pack', `code-server@${version}`, '--silent'], { cwd: work, env });
  const archive = join(work, `code-server-${version}.tgz`);
  const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (found !== integrity) throw new Error(`The package code-server ${version} is not the one expected: ${found}`);
  const excluded = unusedExtensions.map((name) => `--exclude=package/lib/vscode/extensions/${name}`);
  check('tar', ['-xzf', archive, '-C', work, ...excluded, 'package/lib/vscode']);
  const root = join(work, 'package/lib/vscode');
  const manifest = join(root, 'package.json');
  const lighter: unknown = JSON.parse(readFileSync(manifest, 'utf8'), (key, value: unknown) =>
    unusedModules.includes(key) ? undefined : value,
  );
  writeFileSync(manifest, JSON.stringify(lighter, undefined, 2));
  // Not `npm ci`: the package's shrinkwrap is out of step with its own package.json.
  check('npm', ['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: root, env });
  for (const [name, file] of Object.entries(shims))
    copyFileSync(
      join(import.meta.dirname, '../../../scripts/vscode', file),
      join(root, 'node_modules', name, 'index.js'),
    );
  return root;
}

/**
 * The folder with VS Code's server (`out/server-main.js`); installed when it is not there, which takes ten seconds and 240 MB.
 * Made in a folder beside its place and moved there when complete, so a broken or a second installation never leaves half of one.
 */
export function ensureServer(): string {
  const cache = cacheDirectory();
  const place = join(cache, `code-server-${version}-${revision}`);
  const isThere = (): boolean => existsSync(join(place, 'out/server-main.js'));
  if (isThere()) return place;
  console.log(`Installing VS Code's server (code-server ${version}, once) …`);
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'installing-'));
  try {
    renameSync(unpack(work), place);
  } catch (error) {
    // Another run may have put it there meanwhile.
    if (!isThere()) throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return place;
}

/** The path of a Chromium, undefined when there is none. `TIDEMARK_TEST_BROWSER` names another one than Debian's. */
export function findBrowser(): string | undefined {
  const chosen = process.env['TIDEMARK_TEST_BROWSER'] ?? defaultBrowser;
  return existsSync(chosen) ? chosen : undefined;
}
