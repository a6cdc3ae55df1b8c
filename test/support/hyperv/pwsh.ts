/**
 * The PowerShell of the tests: `test/dotnet/pwsh`, built once for each state of its sources into a cache outside the checkout, whichever
 * test process comes first. Needs the .NET SDK; without it, tests are skipped, on CI they fail.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join, sep } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { acquireFileLock } from '../../../server/base/file-lock.ts';

const testFolder = fileURLToPath(new URL('../..', import.meta.url));
/** What the program is built from, relative to `test`. */
const sources = ['dotnet', join('fixtures', 'hyperv', 'schema.json')];
const builtFolders = new Set(['bin', 'obj']);
/** Publications of older sources go when nobody can be using them any more. */
const keepMs = 7 * 24 * 3_600_000;
/** Longer than a build beside everything else that a test machine does. */
const buildPatienceMs = 600_000;

/** How to start it. */
export interface TestPowerShell {
  /** Full path; give it to node-powershell by `NODE_POWERSHELL`. */
  readonly executable: string;
  /** Variables of its process: where .NET is, nothing sent anywhere, nothing written to the home folder. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Whether the test cannot run here, having said so. On CI it throws instead. */
export function skipWithoutDotnet(t: Pick<TestContext, 'skip'>): boolean {
  if (dotnet() !== undefined) return false;
  if (process.env['CI'] !== undefined) throw new Error('The .NET SDK is missing, and on CI no test is left out.');
  t.skip('the .NET SDK 10 is not installed: no PowerShell to test with');
  return true;
}

/** Builds the program when nobody has yet, and says how to start it. */
export async function testPowerShell(): Promise<TestPowerShell> {
  // Compiled ahead: a session starts in half the time, and tests start many.
  const folder = await published('host', [
    '--use-current-runtime',
    '--self-contained',
    'false',
    '-p:PublishReadyToRun=true',
  ]);
  const home = join(cacheDirectory(), 'home');
  mkdirSync(home, { recursive: true });
  return {
    executable: join(folder, process.platform === 'win32' ? 'pwsh.exe' : 'pwsh'),
    environment: {
      DOTNET_ROOT: dirname(realpathSync(requireDotnet())),
      DOTNET_CLI_TELEMETRY_OPTOUT: '1',
      POWERSHELL_TELEMETRY_OPTOUT: '1',
      XDG_CACHE_HOME: home,
      XDG_DATA_HOME: home,
      XDG_CONFIG_HOME: home,
    },
  };
}

/** The same program for Windows x64 with .NET beside it: the folder that holds `pwsh.exe`. */
export function publishForWindows(): Promise<string> {
  return published('windows', ['--runtime', 'win-x64', '--self-contained', 'true']);
}

/** The folder of a publication, made at most once for the sources as they are. */
async function published(kind: string, options: readonly string[]): Promise<string> {
  const cache = cacheDirectory();
  mkdirSync(cache, { recursive: true });
  const folder = join(cache, `${hashOfSources()}-${kind}`);
  if (existsSync(folder)) return folder;
  const lock = await acquireFileLock(join(cache, 'build.lock'), { timeoutMs: buildPatienceMs });
  const work = mkdtempSync(join(cache, 'build-'));
  try {
    // Whoever had the lock before may have built it.
    if (existsSync(folder)) return folder;
    removeOld(cache);
    for (const source of sources) copySource(source, work);
    build(join(work, 'dotnet', 'pwsh'), join(work, 'out'), options);
    renameSync(join(work, 'out'), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
    lock.release();
  }
  return folder;
}

function removeOld(cache: string): void {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    if (/-(host|windows)$/.test(name) && Date.now() - statSync(path).mtimeMs > keepMs)
      rmSync(path, { recursive: true, force: true });
  }
}

function copySource(source: string, target: string): void {
  cpSync(join(testFolder, source), join(target, source), {
    recursive: true,
    filter: (path) => !path.split(sep).some((part) => builtFolders.has(part)),
  });
}

/** Compiles and publishes, by the compiler itself and not by a server that would stay. */
function build(project: string, output: string, options: readonly string[]): void {
  const result = spawnSync(
    requireDotnet(),
    [
      'publish',
      '--configuration',
      'Release',
      '--output',
      output,
      '--nologo',
      '-nodeReuse:false',
      '-p:UseSharedCompilation=false',
      ...options,
    ],
    {
      cwd: project,
      encoding: 'utf8',
      env: {
        ...process.env,
        DOTNET_CLI_TELEMETRY_OPTOUT: '1',
        DOTNET_NOLOGO: '1',
        DOTNET_SKIP_FIRST_TIME_EXPERIENCE: '1',
      },
    },
  );
  if (result.status !== 0) throw new Error(`test/dotnet could not be built:\n${result.stdout}${result.stderr}`);
}

function hashOfSources(): string {
  const hash = createHash('sha256');
  for (const source of sources) hashPath(hash, source);
  return hash.digest('hex').slice(0, 16);
}

function hashPath(hash: Hash, path: string): void {
  const full = join(testFolder, path);
  if (statSync(full).isFile()) {
    hash.update(`${path}\0`).update(readFileSync(full)).update('\0');
    return;
  }
  for (const name of readdirSync(full).sort()) if (!builtFolders.has(name)) hashPath(hash, join(path, name));
}

function cacheDirectory(): string {
  const own = process.env['TIDEMARK_TEST_CACHE'];
  return join(own ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'tidemark-test'), 'pwsh');
}

function requireDotnet(): string {
  const path = dotnet();
  if (path === undefined) throw new Error('The .NET SDK is not installed.');
  return path;
}

/** The full path of `dotnet`, when it is an SDK that builds for .NET 10 (a runtime alone cannot build). */
let found: { readonly path: string | undefined } | undefined;
function dotnet(): string | undefined {
  found ??= { path: findDotnet() };
  return found.path;
}

function findDotnet(): string | undefined {
  const name = process.platform === 'win32' ? 'dotnet.exe' : 'dotnet';
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file));
  if (path === undefined) return undefined;
  const sdks = spawnSync(path, ['--list-sdks'], { encoding: 'utf8', cwd: tmpdir() });
  const newest = Math.max(0, ...(sdks.stdout ?? '').split('\n').map((line) => Number.parseInt(line, 10) || 0));
  return newest >= 10 ? path : undefined;
}
