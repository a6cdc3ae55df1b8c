// Set-up of a checkout, for any Node from 20 on: dependencies by the lock file, then the build. Does only what is missing.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
export const node = join(root, 'node_modules', process.platform === 'win32' ? 'node/bin/node.exe' : '.bin/node');

/** Runs a command in the checkout with the project's own tools first on the PATH; ends this process when it fails. */
export function run(command, args, options = {}) {
  const separator = process.platform === 'win32' ? ';' : ':';
  const path = [join(root, 'node_modules/.bin'), options.env?.PATH ?? process.env.PATH].join(separator);
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32' && command === 'npm',
    ...options,
    env: { ...process.env, ...options.env, PATH: path },
  });
  if (result.error !== undefined) console.error(`${command} could not be started: ${result.error.message}`);
  return result.status ?? 1;
}

/** Installs what the lock file says, unless that was done already. */
export function installDependencies() {
  const stamp = join(root, 'node_modules/.tidemark-lock');
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.log('Installing dependencies (once) …');
  const status = run('npm', ['ci', '--no-audit', '--no-fund']);
  if (status !== 0) process.exit(status);
  writeFileSync(stamp, lock);
}

function newest(directory) {
  return readdirSync(directory, { recursive: true })
    .map((file) => statSync(join(directory, String(file))).mtimeMs)
    .reduce((a, b) => Math.max(a, b), 0);
}

/** Builds, unless the build is newer than the sources. */
export function buildServer({ quiet = false } = {}) {
  const bundle = join(root, 'dist/server/tidemark.js');
  const sources = Math.max(newest(join(root, 'server')), statSync(join(root, 'scripts/build.mjs')).mtimeMs);
  if (existsSync(bundle) && statSync(bundle).mtimeMs > sources) return;
  console.log('Building …');
  const status = run(node, ['scripts/build.mjs'], quiet ? { stdio: ['inherit', 'ignore', 'inherit'] } : {});
  if (status !== 0) process.exit(status);
}
