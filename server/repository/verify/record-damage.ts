/** Keeps what a verification found, so that backups store it again; forgets what was repaired. */
import type { RepositoryCore } from '../core.ts';
import type { DamageRecord } from '../records.ts';
import type { BlobDamage } from './blob-damage.ts';

/** Blobs of one record: some 10 MiB. */
const blobsPerRecord = 50_000;

/** Records damage that no record names yet. `packs` are damaged outside of their blobs. Needs a lease. */
export async function recordDamage(
  core: RepositoryCore,
  damage: BlobDamage,
  packs: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const known = new Set<string>();
  const knownPacks = new Set<string>();
  for (const { record } of await core.damage(signal)) {
    for (const blob of record.blobs) known.add(blob.pack + blob.id);
    for (const pack of record.packs ?? []) knownPacks.add(pack);
  }
  let newPacks = packs.filter((pack) => !knownPacks.has(pack));
  let blobs: DamageRecord['blobs'][number][] = [];
  const put = async (): Promise<void> => {
    if (blobs.length === 0 && newPacks.length === 0) return;
    await core.putDamage({ createdMs: Math.round(await core.backend.now()), blobs, packs: newPacks }, signal);
    blobs = [];
    newPacks = [];
  };
  for (const blob of damage.entries()) {
    if (known.has(blob.pack + blob.id)) continue;
    blobs.push(blob);
    if (blobs.length === blobsPerRecord) await put();
  }
  await put();
}

/** After every byte was read: deletes records that name nothing damaged any more. */
export async function forgetRepairedDamage(
  core: RepositoryCore,
  damage: BlobDamage,
  packs: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const records = await core.damage(signal);
  if (records.length === 0) return;
  const damaged = new Set(packs);
  for (const { pack, id } of damage.entries()) damaged.add(pack + id);
  for (const { file, record } of records) {
    const stands =
      record.blobs.some(({ pack, id }) => damaged.has(pack + id)) ||
      (record.packs ?? []).some((pack) => damaged.has(pack));
    if (!stands) await core.deleteRecord(file, signal);
  }
  await core.refreshIndex(signal);
}
