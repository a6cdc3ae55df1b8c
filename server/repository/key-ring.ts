/** The key slots of a repository as a whole: making them, and finding the one that a password opens. */
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import type { RepositoryId } from '../protocol/ids.ts';
import type { StorageBackend } from './backend.ts';
import { keySlot, openSlot } from './key-slot.ts';
import type { KeySlot } from './key-slot.ts';
import { parseRecoveryKey } from './recovery-key.ts';
import { decodeSelfChecked, encodeSelfChecked } from './self-checked.ts';

const folder = 'keys';
const maxSlots = 64;
const maxSlotBytes = 16 * 1024;

/** Stores a slot. */
export async function putSlot(backend: StorageBackend, slot: KeySlot, signal: AbortSignal): Promise<void> {
  await backend.put(`${folder}/${slot.id}.json`, [encodeSelfChecked(slot)], { signal, ifAbsent: true });
}

/** Removes slots: all that are not in `keep` (slot ids). An interrupted creation may have left some. */
export async function removeOtherSlots(
  backend: StorageBackend,
  keep: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  for await (const { name } of backend.list(folder, signal)) {
    if (!keep.has(name.slice(folder.length + 1, -'.json'.length))) await backend.delete(name, signal);
  }
}

/**
 * The master secret. `secret` is a password or the recovery key. Throws `TM4003` when no slot opens with it, `TM4008` when no
 * slot can be read. Damaged slots are told to `warn`.
 */
export async function findMasterSecret(
  backend: StorageBackend,
  repository: RepositoryId,
  secret: string,
  warn: (text: string) => void,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const slots = await readSlots(backend, repository, warn, signal);
  if (slots.length === 0) {
    throw new TidemarkError(errorCodes.repositoryCorrupt, 'No key slot of the repository can be read.', {
      hint: 'Without one nothing in it can be decrypted: bring the folder `keys` back from a copy of the repository.',
    });
  }
  const recovery = parseRecoveryKey(secret);
  for (const slot of slots) {
    throwIfAborted(signal);
    const given = slot.kind === 'recovery' ? recovery : secret;
    const master = given === undefined ? undefined : await openSlot(slot, given);
    if (master !== undefined) return master;
  }
  throw new TidemarkError(errorCodes.repositoryWrongPassword, 'The password does not open this repository.', {
    hint: 'Upper and lower case count. The recovery key that was shown at its creation opens it too.',
  });
}

/** Recovery slots first: trying them costs nothing. */
async function readSlots(
  backend: StorageBackend,
  repository: RepositoryId,
  warn: (text: string) => void,
  signal: AbortSignal,
): Promise<readonly KeySlot[]> {
  const slots: KeySlot[] = [];
  let files = 0;
  for await (const file of backend.list(folder, signal)) {
    if (++files > maxSlots) break;
    try {
      const slot = decodeSelfChecked(
        await backend.get(file.name, { maxBytes: maxSlotBytes, signal }),
        keySlot,
        file.name,
      );
      if (slot.repository === repository) slots.push(slot);
      else warn(`Key slot ${file.name} belongs to another repository.`);
    } catch (error) {
      if (!TidemarkError.is(error, errorCodes.repositoryCorrupt)) throw error;
      warn(`Key slot ${file.name} is damaged; its password or recovery key does not open the repository any more.`);
    }
  }
  return slots.sort((a, b) => Number(a.kind === 'password') - Number(b.kind === 'password'));
}
