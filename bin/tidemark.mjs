#!/usr/bin/env node
// The `tidemark` command of a checkout: the bundle in dist/server, made by `npm run build`.
import { existsSync } from 'node:fs';

const bundle = new URL('../dist/server/tidemark.js', import.meta.url);
if (!existsSync(bundle)) {
  console.error('tidemark: this checkout is not built yet. Run: npm run build');
  process.exit(1);
}
await import(bundle.href);
