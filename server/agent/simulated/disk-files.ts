/** PROVISIONAL stand-in, replaced by server/vhdx. */
import { randomUUID } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { DiskId } from '../../protocol/ids.ts';
import { diskId } from '../../protocol/ids.ts';
import type { Extent } from '../provider.ts';

export interface DiskFacts {
  readonly id: DiskId;
  readonly sizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly dataWriteGuid: string;
}
export interface LeafWriter {
  write(source: Uint8Array, offset: number): Promise<void>;
  flush(): Promise<void>;
  close(): Promise<void>;
}
export interface ChainReader {
  readonly sizeBytes: number;
  read(t: Uint8Array, o: number): Promise<void>;
  allocated(from: number, signal?: AbortSignal): AsyncIterable<Extent>;
  close(): Promise<void>;
}
const B = 65536;
const DATA = 1048576 * 4;
type H = { id: string; size: number; guid: string; parent: string };
async function head(f: FileHandle): Promise<H> {
  const b = Buffer.alloc(4096);
  await f.read(b, 0, 4096, 0);
  return JSON.parse(b.toString().replace(/\0+$/, '')) as H;
}
async function put(f: FileHandle, h: H): Promise<void> {
  const b = Buffer.alloc(4096);
  b.write(JSON.stringify(h));
  await f.write(b, 0, 4096, 0);
}
async function map(f: FileHandle, h: H): Promise<Buffer> {
  const b = Buffer.alloc(Math.ceil(h.size / B));
  await f.read(b, 0, b.length, 4096);
  return b;
}
export async function diskFacts(path: string): Promise<DiskFacts> {
  const f = await open(path, 'r');
  try {
    const h = await head(f);
    return {
      id: diskId(h.id, 'id'),
      sizeBytes: h.size,
      logicalSectorBytes: 512,
      physicalSectorBytes: 4096,
      dataWriteGuid: h.guid,
    };
  } finally {
    await f.close();
  }
}
export async function createDisk(
  path: string,
  o: { sizeBytes: number; logicalSectorBytes?: number; physicalSectorBytes?: number },
): Promise<void> {
  const f = await open(path, 'wx');
  await put(f, { id: randomUUID().toUpperCase(), size: o.sizeBytes, guid: randomUUID(), parent: '' });
  await f.truncate(DATA + o.sizeBytes);
  await f.close();
}
export async function importDisk(from: string, to: string, signal?: AbortSignal): Promise<void> {
  await copySparse(from, to, signal);
}
export async function createLeaf(base: string, leaf: string): Promise<void> {
  const b = await diskFacts(base);
  const f = await open(leaf, 'wx');
  await put(f, { id: b.id, size: b.sizeBytes, guid: randomUUID(), parent: basename(base) });
  await f.truncate(DATA + b.sizeBytes);
  await f.close();
}
export async function openChain(path: string): Promise<ChainReader> {
  const f = await open(path, 'r');
  const h = await head(f);
  const m = await map(f, h);
  const parent = h.parent === '' ? undefined : await openChain(join(dirname(path), h.parent));
  return {
    sizeBytes: h.size,
    async read(t, o) {
      for (let d = 0; d < t.length;) {
        const blk = Math.floor((o + d) / B);
        const n = Math.min(t.length - d, (blk + 1) * B - o - d);
        const part = t.subarray(d, d + n);
        if (m[blk] === 1) await f.read(part, 0, n, DATA + o + d);
        else if (parent) await parent.read(part, o + d);
        else part.fill(0);
        d += n;
      }
    },
    async *allocated(from) {
      const p = new Set<number>();
      if (parent)
        for await (const e of parent.allocated(0))
          for (let k = e.offset / B; k * B < e.offset + e.length; k++) p.add(k);
      for (let k = Math.floor(from / B); k * B < h.size; k++)
        if (m[k] === 1 || p.has(k)) {
          const o = Math.max(from, k * B);
          yield { offset: o, length: Math.min(h.size, (k + 1) * B) - o };
        }
    },
    async close() {
      await f.close();
      await parent?.close();
    },
  };
}
export async function withChain<T>(path: string, work: (r: ChainReader) => Promise<T>): Promise<T> {
  const r = await openChain(path);
  try {
    return await work(r);
  } finally {
    await r.close();
  }
}
export async function openLeaf(path: string): Promise<LeafWriter> {
  const f = await open(path, 'r+');
  const h = await head(f);
  const m = await map(f, h);
  let first = true;
  const parent = h.parent === '' ? undefined : await openChain(join(dirname(path), h.parent));
  return {
    async write(s, o) {
      if (first) {
        first = false;
        h.guid = randomUUID();
        await put(f, h);
      }
      for (let d = 0; d < s.length;) {
        const blk = Math.floor((o + d) / B);
        const n = Math.min(s.length - d, (blk + 1) * B - o - d);
        if (m[blk] !== 1) {
          const buf = Buffer.alloc(Math.min(B, h.size - blk * B));
          if (parent) await parent.read(buf, blk * B);
          await f.write(buf, 0, buf.length, DATA + blk * B);
          m[blk] = 1;
          await f.write(m, blk, 1, 4096 + blk);
        }
        await f.write(s, d, n, DATA + o + d);
        d += n;
      }
    },
    async flush() {
      await f.sync();
    },
    async close() {
      await f.close();
      await parent?.close();
    },
  };
}
export async function withLeaf<T>(path: string, work: (w: LeafWriter) => Promise<T>): Promise<T> {
  const w = await openLeaf(path);
  try {
    const r = await work(w);
    await w.flush();
    return r;
  } finally {
    await w.close();
  }
}
export async function mergeLeaf(
  leaf: string,
  base: string,
  signal: AbortSignal,
  progress: (p: number) => void,
): Promise<void> {
  const f = await open(leaf, 'r');
  const h = await head(f);
  const m = await map(f, h);
  const w = await openLeaf(base);
  const buf = Buffer.alloc(B);
  for (let k = 0; k < m.length; k++)
    if (m[k] === 1) {
      const n = Math.min(B, h.size - k * B);
      await f.read(buf, 0, n, DATA + k * B);
      await w.write(buf.subarray(0, n), k * B);
      progress(k / m.length);
    }
  await w.flush();
  await w.close();
  await f.close();
}
export async function copySparse(
  from: string,
  to: string,
  signal?: AbortSignal,
  progress?: (p: number) => void,
): Promise<number> {
  const { writeFile } = await import('node:fs/promises');
  const b = await readFile(from);
  await writeFile(to, b);
  progress?.(1);
  return b.length;
}
