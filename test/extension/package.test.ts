import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, it } from 'node:test';

import { extension } from './support.ts';

/** What a package may hold; `.vsixmanifest` is what VS Code adds on installing. */
const allowed = [
  /^package(\.nls(\.[\w-]+)?)?\.json$/,
  /^(readme|changelog)\.md$/i,
  /^LICENSE(\.txt)?$/,
  /^\.vsixmanifest$/,
  /^l10n\/bundle\.l10n(\.[\w-]+)?\.json$/,
  /^dist\/client\/(extension\.cjs|policy-language-client\.cjs|run-page\.js)$/,
  /^dist\/server\/(tidemark|policy-language|[\w-]+-worker|chunk-[\w-]+)\.js$/,
  /^dist\/server\/fatfs\.wasm$/,
  /^dist\/server\/Tidemark\.HyperV\/[\w.]+\.ps(1|m1|d1)$/,
  /^docs\/policies\.md$/,
  /^language\/[\w.-]+\.json$/,
  /^schemas\/[\w.-]+\.json$/,
  /^media\/[\w./-]+\.(svg|png|md|css|js)$/,
];

const root = extension().extensionPath;
const files = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));

describe('the package', () => {
  it('holds what the extension needs and nothing else', () => {
    assert.deepEqual(
      files.filter((file) => !allowed.some((pattern) => pattern.test(file))),
      [],
    );
  });

  it('holds the extension, the daemon, its workers, the texts and the licence', () => {
    for (const needed of [
      'package.json',
      'package.nls.json',
      'dist/client/extension.cjs',
      'dist/server/tidemark.js',
      'dist/server/fatfs.wasm',
      'schemas/backup-policy.schema.json',
    ])
      assert.ok(files.includes(needed), needed);
    for (const needed of [/^LICENSE/, /^readme\.md$/i, /-worker\.js$/, /^l10n\//])
      assert.ok(
        files.some((file) => needed.test(file)),
        String(needed),
      );
  });

  it('holds no path of the machine that made it', () => {
    const text = readFileSync(join(root, 'dist/client/extension.cjs'), 'utf8');
    assert.doesNotMatch(text, /\/node_modules\/\.|\/home\/|[A-Z]:\\Users/);
  });

  it('is small', (t) => {
    const bytes = files.reduce((sum, file) => sum + statSync(join(root, file)).size, 0);
    t.diagnostic(`note: package: ${files.length} files, ${Math.round(bytes / 1024)} KiB unpacked`);
    assert.ok(bytes < 8 << 20, `${bytes} bytes`);
  });
});
