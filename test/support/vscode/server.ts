/** Starts and stops VS Code's server for the tests, each with folders of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createWriteStream, mkdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { endAll, processesWith, signal } from './processes.ts';
import type { FoundProcess } from './processes.ts';
import { changeMachineSettings, writeUserSettings } from './settings.ts';
import type { Settings } from './settings.ts';

/** A running server. */
export interface EditorServer {
  /** `host:port`, the authority of URIs and addresses. */
  readonly authority: string;
  /** Everything it writes lies here. */
  readonly directory: string;
  /** Everything that descends from it, detached daemons too. */
  processes(): readonly FoundProcess[];
  /** The extension hosts: one for each window. */
  extensionHosts(): readonly FoundProcess[];
  /** The daemons and agents that the extension started. */
  daemons(): readonly FoundProcess[];
  /** Changes settings of machine scope and any other, of open windows too, within a second. */
  changeSettings(changes: Settings): void;
  /** Ends the server and everything that descends from it. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** See `ensureServer`. */
  readonly root: string;
  /** A folder of the caller's, which exists. */
  readonly directory: string;
  /** On top of the calm ones, of the user. */
  readonly settings?: Settings;
  /** On top, of the machine: those of machine scope are read from there alone. */
  readonly machineSettings?: Settings;
  /** Leaves workspace trust on. */
  readonly trust?: boolean;
  /**
   * For a suite in the extension host only: a built VS Code then takes `extensionDevelopmentPath` and `extensionTestsPath` from
   * the address of a page, but shows no notification, and no modal dialog in a window that runs tests.
   */
  readonly driver?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** What an editor's terminal, npm or git have put into this environment must not reach the extension host under test. */
function cleanEnvironment(directory: string): NodeJS.ProcessEnv {
  const foreign = /^(VSCODE_.*|ELECTRON_.*|TIDEMARK_.*|XDG_.*|NODE_OPTIONS|NODE_TEST_.*|npm_.*|GIT_.*)$/i;
  const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  const path = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  // A home of its own: whatever a test forgets to place elsewhere lands there and not with the user's.
  return { ...Object.fromEntries(kept), PATH: path, HOME: directory };
}

const mark = 'TIDEMARK_TEST_MARK';
const startTimeoutMs = 30_000;
const dataOf = (directory: string): string => join(directory, 'server');
const foldersOf = (directory: string): readonly string[] => [
  `--server-data-dir=${dataOf(directory)}`,
  `--extensions-dir=${join(directory, 'extensions')}`,
  '--accept-server-license-terms',
  '--telemetry-level=off',
];

/** Starts a server on a free port of this machine. Resolves when it listens. */
export async function startServer(options: ServerOptions): Promise<EditorServer> {
  const { root, directory } = options;
  writeUserSettings(dataOf(directory), options.settings ?? {});
  changeMachineSettings(dataOf(directory), options.machineSettings ?? {});
  const id = randomUUID();
  const child = spawn(
    process.execPath,
    [
      join(root, 'out/server-main.js'),
      '--host=127.0.0.1',
      '--port=0',
      '--without-connection-token',
      ...(options.driver === true ? ['--enable-smoke-test-driver'] : []),
      ...foldersOf(directory),
      // Otherwise a login shell is started, and its PATH replaces the one given here.
      '--force-disable-user-env',
      // The extension host of a closed window ends after seconds, not hours.
      '--reconnection-grace-time=5',
      ...(options.trust === true ? [] : ['--disable-workspace-trust']),
    ],
    {
      cwd: directory,
      // A process group of its own: a Ctrl-C meant for the test run must not end it before the tests have ended theirs.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Without a gallery nothing is looked up in it.
      env: { ...cleanEnvironment(directory), EXTENSIONS_GALLERY: '{"serviceUrl":""}', ...options.env, [mark]: id },
    },
  );
  const processes = (): readonly FoundProcess[] => processesWith(mark, id);
  // What a test run that ends early leaves behind would load the machine for ever.
  const abandon = (): void => processes().forEach(({ pid }) => signal(pid, 'SIGKILL'));
  process.once('exit', abandon);
  const log = createWriteStream(join(directory, 'server.log'), { flags: 'a' });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const withWord = (word: string) => (): readonly FoundProcess[] =>
    processes().filter(({ command }) => command.includes(word));
  return {
    authority: `127.0.0.1:${await portOf(child.stdout, child)}`,
    directory,
    processes,
    extensionHosts: withWord('--type=extensionHost'),
    daemons: withWord('daemon run'),
    changeSettings: (changes) => changeMachineSettings(dataOf(directory), changes),
    async stop() {
      await endAll(processes);
      process.off('exit', abandon);
      log.end();
    },
  };
}

/** The port that the server says it listens on. */
async function portOf(output: NodeJS.ReadableStream, child: NodeJS.EventEmitter): Promise<number> {
  const found = Promise.withResolvers<number>();
  let said = '';
  output.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    const port = /Extension host agent listening on (\d+)/.exec(said)?.[1];
    if (port !== undefined) found.resolve(Number(port));
  });
  child.once('error', found.reject);
  child.once('exit', (code: number | null, name: string | null) =>
    found.reject(new Error(`VS Code's server ended with ${name ?? code}:\n${said}`)),
  );
  sleep(startTimeoutMs, undefined, { ref: false }).then(
    () => found.reject(new Error(`VS Code's server did not start:\n${said}`)),
    found.reject,
  );
  return found.promise;
}

/** Installs a packaged extension as a user would (`code --install-extension`), before the server starts. About a second. */
export function installExtension(options: Pick<ServerOptions, 'root' | 'directory'> & { readonly vsix: string }): void {
  const { root, directory, vsix } = options;
  mkdirSync(join(directory, 'extensions'), { recursive: true });
  const result = spawnSync(
    process.execPath,
    [join(root, 'out/server-main.js'), '--install-extension', vsix, '--force', ...foldersOf(directory)],
    { encoding: 'utf8', env: cleanEnvironment(directory) },
  );
  // It exits with 0 when the file is not a package, too: only its word counts.
  if (result.status !== 0 || !result.stdout.includes('was successfully installed'))
    throw new Error(`${vsix} could not be installed:\n${result.stdout}${result.stderr}`);
}
