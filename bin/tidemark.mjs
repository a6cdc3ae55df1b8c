#!/usr/bin/env node
// The `tidemark` command of a checkout: the bundle in dist/server, made by `npm run build`. It needs Node 22.15;
// an older Node hands over to the one that `npm ci` put into node_modules.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const bundle = new URL('../dist/server/tidemark.js', import.meta.url);
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (!existsSync(bundle)) {
  console.error('tidemark: this checkout is not built yet. Run: npm run build');
  process.exit(1);
} else if (major > 22 || (major === 22 && minor >= 15)) {
  await import(bundle.href);
} else {
  const exe = process.platform === 'win32' ? '../node_modules/node/bin/node.exe' : '../node_modules/.bin/node';
  const node = fileURLToPath(new URL(exe, import.meta.url));
  if (!existsSync(node)) {
    console.error('tidemark: Node 22.15 or later is needed. Run: npm ci');
    process.exit(1);
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 1;
  });
}
