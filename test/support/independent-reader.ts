/**
 * Reads a disk of a restore point straight from a repository's directory, with nothing but Node and docs/repository-format.md:
 * it imports nothing of the product, so it shows that the page says enough and that the product writes what the page says.
 */
import { createDecipheriv, createHash, createHmac, hkdfSync, scryptSync } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';

type Json = Readonly<Record<string, unknown>>;

/** Where a record lies. */
interface Place {
  readonly file: string;
  readonly offset: number;
  readonly storedBytes: number;
}

function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`the repository does not follow its format: ${what}`);
}

const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest();
const hmac = (key: Uint8Array, ...parts: (Uint8Array | string)[]): Buffer => {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return mac.digest();
};

function object(value: unknown): Json {
  demand(typeof value === 'object' && value !== null, 'an object is missing');
  return Object.fromEntries(Object.entries(value));
}

function list(value: unknown): readonly unknown[] {
  demand(Array.isArray(value), 'a list is missing');
  return value;
}

const text = (value: unknown): string => {
  demand(typeof value === 'string', 'a text is missing');
  return value;
};

const number = (value: unknown): number => {
  demand(typeof value === 'number', 'a number is missing');
  return value;
};

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}

function selfChecked(path: string): Json {
  const { sum, ...rest } = object(JSON.parse(readFileSync(path, 'utf8')));
  demand(sha256(canonical(rest)).toString('hex') === sum, `${path} has a wrong sum`);
  return rest;
}

function decrypt(key: Uint8Array, nonce: Uint8Array, tag: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 }).setAAD(aad).setAuthTag(tag);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}

function filesBelow(directory: string): readonly string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.tmp'))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Opens a repository; `secret` is a password. */
export class IndependentReader {
  readonly #root: string;
  readonly #id: Buffer;
  readonly #keys: { readonly id: Buffer; readonly data: Buffer; readonly meta: Buffer };
  readonly #places = new Map<string, Place>();

  constructor(root: string, secret: string) {
    this.#root = root;
    const config = selfChecked(join(root, 'config.json'));
    demand(config['magic'] === 'tidemark-repository' && config['version'] === 1, 'it is no repository of version 1');
    this.#id = Buffer.from(text(config['id']), 'hex');
    const master = this.#masterSecret(secret);
    const derive = (purpose: string): Buffer =>
      Buffer.from(hkdfSync('sha256', master, this.#id, `tidemark repository ${purpose}`, 32));
    this.#keys = { id: derive('id'), data: derive('data'), meta: derive('meta') };
    this.#readIndex();
  }

  /** The bytes of a disk. */
  readDisk(restorePoint: string, diskName: string): Buffer {
    const disk = list(this.#restorePoint(restorePoint)['disks'])
      .map(object)
      .find((one) => one['name'] === diskName);
    demand(disk !== undefined, `no disk ${diskName}`);
    const [sizeBytes, chunkBytes] = [number(disk['sizeBytes']), number(disk['chunkBytes'])];
    const chunks = Math.ceil(sizeBytes / chunkBytes);
    const pages = Math.ceil(chunks / 1024);
    const root = object(object(disk['map'])['root']);
    const pageIds =
      root['type'] === 'inline'
        ? Buffer.from(text(root['pages']), 'base64')
        : this.#blob(Buffer.from(text(root['id']), 'hex'), 3);
    demand(pageIds.length === pages * 32, 'the root has a wrong length');
    const content = Buffer.alloc(sizeBytes);
    for (let page = 0; page < pages; page++) {
      const pageId = pageIds.subarray(page * 32, page * 32 + 32);
      if (pageId.every((byte) => byte === 0)) continue;
      const ids = this.#blob(pageId, 2);
      demand(ids.length === Math.min(1024, chunks - page * 1024) * 32, 'a page has a wrong length');
      for (let at = 0; at < ids.length; at += 32) {
        const id = ids.subarray(at, at + 32);
        if (id.every((byte) => byte === 0)) continue;
        const offset = (page * 1024 + at / 32) * chunkBytes;
        const chunk = this.#blob(id, 1);
        demand(chunk.length === Math.min(chunkBytes, sizeBytes - offset), 'a chunk has a wrong length');
        chunk.copy(content, offset);
      }
    }
    return content;
  }

  /** The VM's configuration as JSON. */
  readConfiguration(restorePoint: string): unknown {
    return JSON.parse(
      this.#blob(Buffer.from(text(this.#restorePoint(restorePoint)['configuration']), 'hex'), 4).toString('utf8'),
    );
  }

  /** Which restore points must not be deleted, with what the pins say; undefined for a pin that cannot be read. */
  readPins(): ReadonlyMap<string, Json | undefined> {
    const pins = new Map<string, Json | undefined>();
    const folder = join(this.#root, 'pins');
    for (const path of existsSync(folder) ? filesBelow(folder) : []) {
      const file = path.split(/[/\\]/).at(-1) ?? '';
      pins.set(file.replace(/\.pin$/, ''), this.#pin(`pins/${file}`, readFileSync(path)));
    }
    return pins;
  }

  #pin(name: string, bytes: Buffer): Json | undefined {
    try {
      return object(JSON.parse(this.#sealed(5, name, bytes).toString('utf8')));
    } catch {
      return undefined;
    }
  }

  #masterSecret(password: string): Buffer {
    for (const path of filesBelow(join(this.#root, 'keys'))) {
      const { wrap, ...slot } = selfChecked(path);
      const kdf = object(slot['kdf']);
      if (kdf['name'] !== 'scrypt') continue;
      const [N, r, p] = [number(kdf['n']), number(kdf['r']), number(kdf['p'])];
      const salt = Buffer.from(text(kdf['salt']), 'base64');
      const key = scryptSync(password.normalize('NFC'), salt, 32, { N, r, p, maxmem: 512 * 1024 * 1024 });
      const [nonce, tag, ciphertext] = ['nonce', 'tag', 'ciphertext'].map((name) =>
        Buffer.from(text(object(wrap)[name]), 'base64'),
      );
      demand(nonce !== undefined && tag !== undefined && ciphertext !== undefined, 'a slot has no wrap');
      return decrypt(key, nonce, tag, Buffer.from(canonical(slot)), ciphertext);
    }
    throw new Error('there is no password slot');
  }

  #sealed(kind: number, logicalName: string, bytes: Buffer): Buffer {
    demand(bytes.subarray(0, 8).toString('hex') === '544d53460d0a1a0a', `${logicalName} is not sealed`);
    demand(bytes[8] === 1 && bytes[9] === kind, `${logicalName} is of another kind`);
    const key = hmac(this.#keys.meta, 'file', logicalName);
    const aad = Buffer.concat([this.#id, bytes.subarray(0, 16), Buffer.from(logicalName)]);
    const content = zstdDecompressSync(
      decrypt(key, bytes.subarray(16, 28), bytes.subarray(28, 44), aad, bytes.subarray(44)),
    );
    demand(content.length === bytes.readUInt32LE(12), `${logicalName} has another length`);
    return content;
  }

  #readIndex(): void {
    const superseded = new Set<string>();
    const segments = new Map<string, Buffer>();
    for (const path of filesBelow(join(this.#root, 'index'))) {
      const bytes = readFileSync(path);
      const name = sha256(bytes).toString('hex');
      demand(path.endsWith(name), 'a segment does not have the hash of its name');
      const content = this.#sealed(1, 'index', bytes);
      const count = content.readUInt32LE(4);
      for (let index = 0; index < count; index++)
        superseded.add(content.toString('hex', 16 + index * 32, 48 + index * 32));
      segments.set(name, content);
    }
    for (const [name, content] of segments) if (!superseded.has(name)) this.#takeSegment(content);
  }

  #takeSegment(content: Buffer): void {
    demand(content.readUInt16LE(0) === 1, 'a segment is of another version');
    let at = 16 + content.readUInt32LE(4) * 32;
    for (let pack = 0; pack < content.readUInt32LE(8); pack++) {
      const packId = content.toString('hex', at, at + 32);
      const file = join(this.#root, content[at + 40] === 1 ? 'd' : 'm', packId.slice(0, 2), packId);
      const entries = content.readUInt32LE(at + 44);
      at += 48;
      for (let entry = 0; entry < entries; entry++, at += 48) {
        const place = { file, offset: content.readUInt32LE(at + 32), storedBytes: content.readUInt32LE(at + 36) };
        this.#places.set(content.toString('hex', at, at + 32), place);
      }
    }
  }

  #restorePoint(id: string): Json {
    const path = filesBelow(join(this.#root, 'points')).find((one) => one.endsWith(`${id}.rp`));
    demand(path !== undefined, `no restore point ${id}`);
    const [vm = '', file = ''] = path.split(/[/\\]/).slice(-2);
    const point = object(JSON.parse(this.#sealed(2, `points/${vm}/${file}`, readFileSync(path)).toString('utf8')));
    demand(point['id'] === id && point['vmId'] === vm, 'a restore point lies in another place');
    return point;
  }

  #blob(id: Buffer, type: number): Buffer {
    const place = this.#places.get(id.toString('hex'));
    demand(place !== undefined, `blob ${id.toString('hex')} is in no pack`);
    const record = readFileSync(place.file).subarray(place.offset, place.offset + 80 + place.storedBytes);
    demand(record.subarray(0, 8).toString('hex') === '424c4f42010d0a1a', 'a record has no magic');
    demand(record[8] === type && record[10] === 1 && record[11] === 0, 'a record is of another type');
    demand(
      record.subarray(20, 52).equals(id) && record.readUInt32LE(12) === place.storedBytes,
      'another record lies there',
    );
    const key = hmac(type === 1 ? this.#keys.data : this.#keys.meta, 'blob', id);
    const aad = Buffer.concat([this.#id, record.subarray(8, 52)]);
    const stored = decrypt(key, record.subarray(52, 64), record.subarray(64, 80), aad, record.subarray(80));
    const content = record[9] === 1 ? zstdDecompressSync(stored) : stored;
    demand(content.length === record.readUInt32LE(16), 'a record has another length');
    const expected = hmac(this.#keys.id, type === 1 ? Buffer.alloc(0) : Buffer.from([type]), sha256(content));
    demand(expected.equals(id), 'a record has another content');
    return content;
  }
}
