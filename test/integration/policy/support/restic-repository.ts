/**
 * A real repository of restic with more snapshots than one has time to make: restic makes the repository and one snapshot, and this copies that snapshot
 * with other times and hosts. Only snapshots are written here, in restic's own format (its design document: AES-256-CTR with Poly1305-AES); what restic makes of them is its own.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes, scryptSync } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';

import { array, json, integer, object, optional, record, string } from '../../../../server/protocol/parse.ts';
import { ended } from '../../acceptance/support/command.ts';

const password = 'only for this test';

/** Why snapshots are kept, by their time in ms since 1970; one that goes has no reasons. */
export type ResticReasons = ReadonlyMap<number, readonly string[]>;

const snapshotTime = object({ time: string() });
const forgotten = array(
  object({
    host: string(),
    remove: optional(array(snapshotTime)),
    reasons: optional(array(object({ snapshot: snapshotTime, matches: array(string()) }))),
  }),
);

export class ResticRepository {
  readonly #folder: string;
  readonly #keys: ResticKeys;
  readonly #template: Readonly<Record<string, unknown>>;

  private constructor(folder: string, keys: ResticKeys, template: Readonly<Record<string, unknown>>) {
    this.#folder = folder;
    this.#keys = keys;
    this.#template = template;
  }

  /** Has restic make a repository below an empty folder, with a snapshot of host `restic` at `time`, such as `2026-01-01 10:00:00`. */
  static async create(folder: string, time: string): Promise<ResticRepository> {
    const repository = join(folder, 'repository');
    const file = join(folder, 'file');
    writeFileSync(file, 'content');
    await restic(repository, ['init', '--repository-version', '1']);
    await restic(repository, ['backup', '--host', 'restic', '--time', time, file]);
    const keys = openKeys(join(repository, 'keys'));
    const [name] = readdirSync(join(repository, 'snapshots'));
    const sealed = readFileSync(join(repository, 'snapshots', name ?? ''));
    const template = json(decrypt(keys, sealed).toString(), record(any), 'the snapshot');
    return new ResticRepository(repository, keys, template);
  }

  /** Adds a copy of the snapshot; `time` as ISO 8601 with the offset of the zone it was made in. */
  add(host: string, time: string): void {
    const sealed = encrypt(this.#keys, Buffer.from(JSON.stringify({ ...this.#template, hostname: host, time })));
    const name = createHash('sha256').update(sealed).digest('hex');
    writeFileSync(join(this.#folder, 'snapshots', name), sealed);
  }

  /** What `restic forget` would do with these options: for each host its snapshots by time. */
  async forget(options: readonly string[]): Promise<ReadonlyMap<string, ResticReasons>> {
    const text = await restic(this.#folder, ['forget', '--dry-run', '--json', ...options]);
    const hosts = new Map<string, ResticReasons>();
    for (const { host, remove = [], reasons = [] } of json(text, forgotten, 'the answer of restic')) {
      const all = new Map<number, readonly string[]>(remove.map(({ time }) => [Date.parse(time), []]));
      for (const { snapshot, matches } of reasons) all.set(Date.parse(snapshot.time), matches);
      hosts.set(host, all);
    }
    return hosts;
  }
}

const any = (value: unknown): unknown => value;

async function restic(repository: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, RESTIC_REPOSITORY: repository, RESTIC_PASSWORD: password, TZ: 'UTC' };
  const child = spawn('restic', [...args, '--no-cache'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const { code, stdout, stderr } = await ended(child);
  if (code !== 0) throw new Error(`restic ${args.join(' ')} ended with ${code}: ${stderr}`);
  return stdout;
}

interface ResticKeys {
  readonly encrypt: Buffer;
  /** Key of the AES that hides the Poly1305 value. */
  readonly k: Buffer;
  /** Multiplier of Poly1305. */
  readonly r: Buffer;
}

const base64 = string();
const keyFile = object({ N: integer(2), r: integer(1), p: integer(1), salt: base64, data: base64 });
const masterKey = object({ mac: object({ k: base64, r: base64 }), encrypt: base64 });

/** The keys that a repository's only key file holds. */
function openKeys(folder: string): ResticKeys {
  const [name] = readdirSync(folder);
  const { N, r, p, salt, data } = json(readFileSync(join(folder, name ?? ''), 'utf8'), keyFile, 'the key file');
  const options = { N, r, p, maxmem: 256 * 1024 * 1024 };
  const derived = scryptSync(password, Buffer.from(salt, 'base64'), 64, options);
  const own = { encrypt: derived.subarray(0, 32), k: derived.subarray(32, 48), r: derived.subarray(48, 64) };
  const master = json(decrypt(own, Buffer.from(data, 'base64')).toString(), masterKey, 'the master key');
  return {
    encrypt: Buffer.from(master.encrypt, 'base64'),
    k: Buffer.from(master.mac.k, 'base64'),
    r: Buffer.from(master.mac.r, 'base64'),
  };
}

const nonceBytes = 16;
const macBytes = 16;

function encrypt(keys: ResticKeys, plain: Buffer): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-ctr', keys.encrypt, nonce);
  const text = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, text, mac(keys, nonce, text)]);
}

/** Throws when the text was not sealed with the keys. */
function decrypt(keys: ResticKeys, sealed: Buffer): Buffer {
  const nonce = sealed.subarray(0, nonceBytes);
  const text = sealed.subarray(nonceBytes, -macBytes);
  if (!mac(keys, nonce, text).equals(sealed.subarray(-macBytes))) throw new Error('The seal of restic does not fit.');
  const decipher = createDecipheriv('aes-256-ctr', keys.encrypt, nonce);
  return Buffer.concat([decipher.update(text), decipher.final()]);
}

/** Poly1305-AES of a text. */
function mac(keys: ResticKeys, nonce: Buffer, text: Buffer): Buffer {
  const hide = createCipheriv('aes-128-ecb', keys.k, null).setAutoPadding(false).update(nonce);
  const r = little(keys.r) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  const prime = 2n ** 130n - 5n;
  let sum = 0n;
  for (let at = 0; at < text.length; at += 16) {
    const block = text.subarray(at, at + 16);
    sum = ((sum + little(block) + 2n ** BigInt(8 * block.length)) * r) % prime;
  }
  const value = (sum + little(hide)) % 2n ** 128n;
  const bytes = Buffer.alloc(macBytes);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  bytes.writeBigUInt64LE(value >> 64n, 8);
  return bytes;
}

/** Bytes as a number, the lowest first. */
function little(bytes: Buffer): bigint {
  return bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);
}
