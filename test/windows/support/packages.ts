/** The packages that scripts/test-windows.mjs made for the rehearsal. */
import { json, object, string } from '../../../server/protocol/parse.ts';
import type { Parsed } from '../../../server/protocol/parse.ts';

const path = string({ maxLength: 4096 });
const one = object({ version: path, folder: path, zip: path, msi: path, setup: path });
const all = object({ old: one, new: one, shipped: one });

/** One version of the package, in all its forms. */
export type MadePackage = Parsed<typeof one>;

/** What was made: `old` and `new` with the Node that Wine can run, `shipped` as users get it. Throws when the tests are not started by `npm run test:windows`. */
export function madePackages(): Parsed<typeof all> {
  return json(fromEnvironment('TIDEMARK_WINDOWS_PACKAGES'), all, 'TIDEMARK_WINDOWS_PACKAGES');
}

/** A folder for what tests write; it is removed when all have ended. */
export function workFolder(): string {
  return fromEnvironment('TIDEMARK_WINDOWS_WORK');
}

function fromEnvironment(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error('These tests are started by: npm run test:windows');
  return value;
}
