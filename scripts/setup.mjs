// Set-up of a checkout, for any Node from 20 on: dependencies by the lock file, then the build. Does only what is missing.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** The project's own Node: whichever one runs these scripts, everything else runs with this. */
export const node = join(root, 'node_modules', process.platform === 'win32' ? 'node/bin/node.exe' : '.bin/node');

const oldestNode = 20;

/** How a child process of these scripts is started: in the checkout, with the project's own tools first on the PATH. */
function spawnOptions(command, options) {
  const path = [join(root, 'node_modules/.bin'), options.env?.PATH ?? process.env.PATH].join(delimiter);
  return {
    cwd: root,
    stdio: 'inherit',
    // npm is a .cmd file there, which only a shell can start.
    shell: process.platform === 'win32' && command === 'npm',
    ...options,
    env: { ...process.env, ...options.env, PATH: path },
  };
}

/** Runs a command to its end and gives its exit code. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, spawnOptions(command, options));
  if (result.error !== undefined) console.error(`${command} could not be started: ${result.error.message}`);
  return result.status ?? 1;
}

/** Whether the tests of a file pass. In CI, and only there, a file that failed is tried once more, and both results are printed. */
export function testFilePasses(file, options = {}) {
  const attempts = process.env.CI ? 2 : 1;
  for (let attempt = 1; attempt <= attempts; attempt++) {
    if (run(node, ['--test', file], options) === 0) {
      if (attempt > 1) console.log(`# note: ${file} passed at its second try; its first result is above`);
      return true;
    }
  }
  return false;
}

/** Runs a command that goes on until it is told to stop: signals are passed on, and it says when it is done. */
export function runUntilStopped(command, args) {
  const child = spawn(command, args, spawnOptions(command, {}));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`${command} could not be started: ${error.message}`);
      resolve(1);
    });
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

function checkNode() {
  if (Number(process.versions.node.split('.')[0]) >= oldestNode) return;
  console.error(`Node ${oldestNode} or later is needed for the set-up; this is ${process.versions.node}.`);
  process.exit(1);
}

/** Installs what the lock file says, unless that was done already. */
export function installDependencies() {
  checkNode();
  const stamp = join(root, 'node_modules/.tidemark-lock');
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.log('Installing dependencies (once) …');
  const status = run('npm', ['ci', '--no-audit', '--no-fund']);
  if (status !== 0) {
    console.error('npm could not install the dependencies. Is the package registry reachable?');
    process.exit(status);
  }
  if (!existsSync(node)) {
    console.error(
      'Node 24 is missing: npm did not run the install script of the package `node`, which fetches it (is ignore-scripts set?).\n' +
        'Run: npm rebuild node --ignore-scripts=false',
    );
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}

function newest(directory) {
  return readdirSync(directory, { recursive: true })
    .map((file) => statSync(join(directory, String(file))).mtimeMs)
    .reduce((a, b) => Math.max(a, b), 0);
}

/** Builds server and client, unless the build is newer than everything that goes into it. */
export function buildServer({ quiet = false } = {}) {
  // What is written last.
  const bundle = join(root, 'dist/client/run-page.js');
  const inputs = ['scripts/build.mjs', 'scripts/server-bundle.mjs', 'package.json', 'package-lock.json'].map(
    (file) => statSync(join(root, file)).mtimeMs,
  );
  const sources = ['server', 'client'].map((directory) => newest(join(root, directory)));
  if (existsSync(bundle) && statSync(bundle).mtimeMs > Math.max(...sources, ...inputs)) return;
  console.log('Building …');
  const status = run(node, ['scripts/build.mjs'], quiet ? { stdio: ['inherit', 'ignore', 'inherit'] } : {});
  if (status !== 0) process.exit(status);
}
