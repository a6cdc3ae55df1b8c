/** Names that become parts of paths on the host: strict for every provider, whatever else it checks. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { RestoreDefinition } from './provider.ts';

// What Windows forbids in names of files, and what is no text.
// oxlint-disable-next-line no-control-regex -- it is about those
const forbidden = /[\u0000-\u001F\u007F<>:"/\\|?*]/;
/** Names that Windows takes for devices, with any extension (Naming Files, Paths, and Namespaces). */
const device = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)/i;
/** NTFS counts UTF-16 units; the rest is for `.vhdx` and what a provider appends. */
const maxNameLength = 200;

/** Whether a name is one of a file, on Windows too, that leads nowhere else. */
export function isFileName(name: string): boolean {
  if (name === '' || name.length > maxNameLength || !name.isWellFormed()) return false;
  return !forbidden.test(name) && !device.test(name) && !/[. ]$/.test(name) && !name.startsWith(' ');
}

/** Checks the names of disks and configuration files, and that no two are the same for Windows. Throws `TM1001`. */
export function checkRestoreNames({ disks, configuration }: RestoreDefinition): void {
  const lists = [
    ['disk', disks.map(({ name }) => name)],
    ['configuration file', configuration.files.map(({ name }) => name)],
  ] as const;
  for (const [what, names] of lists) {
    const strange = names.find((name) => !isFileName(name));
    if (strange !== undefined) {
      throw refused(`${JSON.stringify(strange)} cannot be the name of a ${what} on the host.`);
    }
    if (new Set(names.map((name) => name.normalize('NFC').toUpperCase())).size < names.length) {
      throw refused(`Two ${what}s of the VM have the same name.`);
    }
  }
  if (new Set(disks.map(({ id }) => id)).size < disks.length) throw refused('Two disks of the VM have the same id.');
}

function refused(message: string): TidemarkError {
  return new TidemarkError(errorCodes.invalidInput, message, { hint: 'Nothing was restored.' });
}
