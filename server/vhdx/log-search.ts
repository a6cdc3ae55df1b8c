/** Finds what of a dirty log must be replayed: MS-VHDX 2.3.3. */
import { corrupt, truncated, unsupported } from './errors.ts';
import { MiB } from './header.ts';
import type { CurrentHeader } from './header.ts';
import { decodeEntry, decodeEntryHeader, logSectorBytes } from './log-entry.ts';
import type { LogEntry } from './log-entry.ts';
import type { RandomFile } from './random-file.ts';

/** A dirty log is held in memory; those of Hyper-V have 1 MiB. */
const maxLogBytes = 64 * MiB;
/** How many times over the log may be checksummed: entries of a sound log hardly overlap. */
const maxPasses = 16;

/** The entries to replay, oldest first. Throws `TM3002` when there is no valid one, `TM3003` when the file is shorter than it was then, `TM3004` for a log too large. */
export async function findActiveEntries(
  file: RandomFile,
  header: CurrentHeader,
  fileBytes: number,
): Promise<readonly LogEntry[]> {
  const { path } = file;
  const { logBytes, logOffset } = header;
  if (logBytes > maxLogBytes) throw unsupported(path, `its log of ${logBytes} bytes must be replayed`);
  if (logOffset + logBytes > fileBytes) throw truncated(path, 'its log lies past its end');
  const log = Buffer.alloc(logBytes);
  await file.read(log, logOffset);
  const run = newestRun(readEntries(path, log, header), logBytes);
  const head = run?.at(-1);
  if (run === undefined || head === undefined) throw corrupt(path, 'its log must be replayed and holds no valid entry');
  if (head.flushedFileBytes > fileBytes) {
    throw truncated(path, `it had ${head.flushedFileBytes} bytes when its log was written`);
  }
  return run;
}

/** All valid entries, by their place in the log. */
function readEntries(path: string, log: Buffer, header: CurrentHeader): ReadonlyMap<number, LogEntry> {
  const entries = new Map<number, LogEntry>();
  let budget = maxPasses * log.length;
  for (let at = 0; at < log.length; at += logSectorBytes) {
    const start = decodeEntryHeader(log.subarray(at, at + logSectorBytes));
    if (start === undefined || start.logGuid !== header.logGuid) continue;
    const { length } = start;
    if (length === 0 || length % logSectorBytes !== 0 || length > log.length) continue;
    budget -= length;
    if (budget < 0) throw corrupt(path, 'its log is full of entries that overlap');
    const end = at + length;
    const bytes =
      end <= log.length ? log.subarray(at, end) : Buffer.concat([log.subarray(at), log.subarray(0, end - log.length)]);
    const entry = decodeEntry(bytes);
    if (entry !== undefined) entries.set(at, entry);
  }
  return entries;
}

/** The run of consecutive entries that ends with the highest number, from its head's tail on. */
function newestRun(entries: ReadonlyMap<number, LogEntry>, logBytes: number): readonly LogEntry[] | undefined {
  const after = (at: number, entry: LogEntry): number => (at + entry.length) % logBytes;
  const continued = new Set<number>();
  for (const [at, entry] of entries) {
    const next = entries.get(after(at, entry));
    if (next?.sequence === entry.sequence + 1n) continued.add(after(at, entry));
  }
  let best: readonly LogEntry[] | undefined;
  for (const [start, first] of entries) {
    if (continued.has(start)) continue;
    const run: LogEntry[] = [];
    const places: number[] = [];
    for (let at = start, entry: LogEntry | undefined = first; entry !== undefined;) {
      run.push(entry);
      places.push(at);
      at = after(at, entry);
      const next: LogEntry | undefined = entries.get(at);
      entry = next?.sequence === entry.sequence + 1n ? next : undefined;
    }
    const head = run.at(-1);
    const tail = places.indexOf(head?.tail ?? -1);
    if (head === undefined || tail < 0 || head.sequence <= (best?.at(-1)?.sequence ?? 0n)) continue;
    best = run.slice(tail);
  }
  return best;
}
