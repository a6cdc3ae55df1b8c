/** A reader written from docs/repository-format.md alone: it shares no code with the repository library, so neither can drift from the page. */
import assert from 'node:assert/strict';
import { createDecipheriv, createHash, createHmac, hkdfSync, scryptSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';

import { openRepository } from '../../../server/repository/index.ts';
import { backUp, changed, chunkOf, emptyRepository, password, signal, temporaryFolder } from './support.ts';
import type { Disk } from './support.ts';

const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest();
const hmac = (key: Uint8Array, ...parts: (Uint8Array | string)[]): Buffer => {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return mac.digest();
};

function unseal(key: Uint8Array, nonce: Uint8Array, tag: Uint8Array, aad: Uint8Array, body: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
  decipher.setAAD(aad);
  decipher.setAuthTag(tag);
  return Buffer.concat([decipher.update(body), decipher.final()]);
}

/** The field at `path` of parsed JSON. */
function fieldAt(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found = value;
  for (const name of path) found = Reflect.get(Object(found), name);
  return found;
}

function text(value: unknown, ...path: readonly (string | number)[]): string {
  const found = fieldAt(value, ...path);
  return typeof found === 'string' ? found : assert.fail(`no text at ${path.join('.')}`);
}

function numberAt(value: unknown, ...path: readonly (string | number)[]): number {
  const found = fieldAt(value, ...path);
  return typeof found === 'number' ? found : assert.fail(`no number at ${path.join('.')}`);
}

function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}

function without(value: unknown, ...names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(Object(value)).filter(([name]) => !names.includes(name)));
}

/** Reads a repository as the page says. */
class DocumentReader {
  readonly #root: string;
  readonly #id: Buffer;
  readonly #data: Uint8Array;
  readonly #meta: Uint8Array;
  readonly #idKey: Uint8Array;
  readonly #blobs = new Map<string, { pack: string; offset: number; bytes: number }>();

  constructor(root: string, secret: { readonly password: string } | { readonly recoveryKey: string }) {
    this.#root = root;
    const config = this.#checked('config.json');
    assert.equal(text(config, 'magic'), 'tidemark-repository');
    this.#id = Buffer.from(text(config, 'id'), 'hex');
    const master = this.#master(secret);
    const key = (purpose: string): Uint8Array =>
      new Uint8Array(hkdfSync('sha256', master, this.#id, `tidemark repository ${purpose}`, 32));
    [this.#idKey, this.#data, this.#meta] = [key('id'), key('data'), key('meta')];
    for (const name of readdirSync(join(root, 'index'))) this.#loadSegment(name);
  }

  points(): unknown[] {
    const files = readdirSync(join(this.#root, 'points'), { recursive: true, encoding: 'utf8' });
    const names = files.filter((name) => name.endsWith('.rp')).sort();
    return names.map((name): unknown => JSON.parse(this.#sealed(2, `points/${name}`, `points/${name}`).toString()));
  }

  disk(disk: unknown): Buffer {
    const inline = text(disk, 'map', 'root', 'type') === 'inline';
    const pages = inline
      ? Buffer.from(text(disk, 'map', 'root', 'pages'), 'base64')
      : this.blob(text(disk, 'map', 'root', 'id'));
    const chunkBytes = numberAt(disk, 'chunkBytes');
    const out = Buffer.alloc(numberAt(disk, 'sizeBytes'));
    for (let page = 0; page < pages.length / 32; page++) {
      const id = pages.toString('hex', page * 32, page * 32 + 32);
      if (/^0+$/.test(id)) continue;
      const ids = this.blob(id);
      for (let slot = 0; slot < ids.length / 32; slot++) {
        const chunk = ids.toString('hex', slot * 32, slot * 32 + 32);
        if (!/^0+$/.test(chunk)) this.blob(chunk).copy(out, (page * 1024 + slot) * chunkBytes);
      }
    }
    return out;
  }

  blob(id: string): Buffer {
    const { pack, offset, bytes } = this.#blobs.get(id) ?? assert.fail(`no blob ${id}`);
    const record = readFileSync(join(this.#root, pack)).subarray(offset, offset + bytes);
    assert.equal(record.toString('hex', 0, 8), '424c4f42010d0a1a');
    const type = record[8] ?? 0;
    const key = hmac(type === 1 ? this.#data : this.#meta, 'blob', record.subarray(20, 52));
    const aad = Buffer.concat([this.#id, record.subarray(8, 52)]);
    const body = unseal(key, record.subarray(52, 64), record.subarray(64, 80), aad, record.subarray(80));
    const content = record[9] === 1 ? zstdDecompressSync(body) : body;
    assert.equal(content.length, record.readUInt32LE(16));
    const named = hmac(this.#idKey, type === 1 ? '' : Uint8Array.of(type), sha256(content));
    assert.equal(named.toString('hex'), id);
    return content;
  }

  #checked(name: string): unknown {
    const value: unknown = JSON.parse(readFileSync(join(this.#root, name), 'utf8'));
    assert.equal(sha256(canonical(without(value, 'sum'))).toString('hex'), text(value, 'sum'));
    return value;
  }

  #master(secret: { readonly password: string } | { readonly recoveryKey: string }): Buffer {
    for (const name of readdirSync(join(this.#root, 'keys'))) {
      const slot = this.#checked(`keys/${name}`);
      const salt = Buffer.from(text(slot, 'kdf', 'salt'), 'base64');
      if ((text(slot, 'kind') === 'password') !== 'password' in secret) continue;
      const key =
        'password' in secret
          ? scryptSync(secret.password.normalize('NFC'), salt, 32, {
              N: numberAt(slot, 'kdf', 'n'),
              r: numberAt(slot, 'kdf', 'r'),
              p: numberAt(slot, 'kdf', 'p'),
              maxmem: 2 ** 28,
            })
          : new Uint8Array(
              hkdfSync(
                'sha256',
                secret.recoveryKey.replaceAll('-', '').slice(0, 52),
                salt,
                'tidemark recovery slot',
                32,
              ),
            );
      const [nonce, tag, body] = ['nonce', 'tag', 'ciphertext'].map((field) =>
        Buffer.from(text(slot, 'wrap', field), 'base64'),
      );
      const aad = Buffer.from(canonical(without(slot, 'wrap', 'sum')));
      return unseal(key, nonce ?? assert.fail(), tag ?? assert.fail(), aad, body ?? assert.fail());
    }
    return assert.fail('no slot');
  }

  #sealed(kind: number, name: string, logicalName: string): Buffer {
    const file = readFileSync(join(this.#root, name));
    assert.equal(file.toString('hex', 0, 8), '544d53460d0a1a0a');
    assert.deepEqual([file[8], file[9]], [1, kind]);
    const aad = Buffer.concat([this.#id, file.subarray(0, 16), Buffer.from(logicalName)]);
    const key = hmac(this.#meta, 'file', logicalName);
    const content = zstdDecompressSync(
      unseal(key, file.subarray(16, 28), file.subarray(28, 44), aad, file.subarray(44)),
    );
    assert.equal(content.length, file.readUInt32LE(12));
    return content;
  }

  #loadSegment(name: string): void {
    const content = this.#sealed(1, `index/${name}`, 'index');
    assert.equal(sha256(readFileSync(join(this.#root, 'index', name))).toString('hex'), name);
    let at = 16 + content.readUInt32LE(4) * 32;
    for (let pack = 0; pack < content.readUInt32LE(8); pack++) {
      const id = content.toString('hex', at, at + 32);
      const file = `${content[at + 40] === 1 ? 'd' : 'm'}/${id.slice(0, 2)}/${id}`;
      const count = content.readUInt32LE(at + 44);
      const toc = content.subarray(at + 48, at + 48 + count * 48);
      this.#checkPack(file, id, Number(content.readBigUInt64LE(at + 32)), toc);
      for (let entry = 0; entry < toc.length; entry += 48) {
        const offset = toc.readUInt32LE(entry + 32);
        const bytes = 80 + toc.readUInt32LE(entry + 36);
        this.#blobs.set(toc.toString('hex', entry, entry + 32), { pack: file, offset, bytes });
      }
      at += 48 + toc.length;
    }
    assert.equal(at, content.length);
  }

  #checkPack(name: string, id: string, bytes: number, toc: Buffer): void {
    const pack = readFileSync(join(this.#root, name));
    assert.equal(sha256(pack).toString('hex'), id);
    assert.equal(pack.length, bytes);
    const footer = pack.subarray(-64);
    assert.equal(footer.toString('hex', 0, 8), '5041434b0d0a1a0a');
    assert.deepEqual([footer.readUInt16LE(8), footer.readUInt32LE(12)], [1, toc.length / 48]);
    const offset = Number(footer.readBigUInt64LE(16));
    const stored = pack.subarray(offset, offset + footer.readUInt32LE(24));
    assert.deepEqual(stored, toc);
    assert.deepEqual(footer.subarray(28, 60), sha256(stored));
  }
}

describe('docs/repository-format.md', () => {
  it('is enough to restore every disk with the password or the recovery key', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    const repository = await openRepository(location, { password: recoveryKey, signal });
    const first: Disk = [1, 0, 2, 3, 0, 4];
    const second = changed(first, { 1: 5, 3: 0 });
    const point = await backUp(repository, first);
    await backUp(repository, second, { base: { point, disk: first } });
    for (const secret of [{ password }, { recoveryKey }]) {
      const reader = new DocumentReader(location, secret);
      const points = reader.points();
      assert.equal(points.length, 2);
      for (const [index, disk] of [first, second].entries()) {
        const stored = fieldAt(points[index], 'disks', 0);
        assert.ok(reader.disk(stored).equals(Buffer.concat(disk.map((seed) => chunkOf(seed)))));
        assert.equal(reader.blob(text(points[index], 'configuration')).toString(), '{"name":"sql01"}');
      }
    }
  });
});
