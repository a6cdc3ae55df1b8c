/** Who may read the agent's files, as far as it can be seen. */

/** Everyone, anonymous, guests, authenticated users, users: as SDDL abbreviates them and as SIDs (Microsoft's "SID Strings"). */
const common = new Set([
  'WD',
  'AN',
  'BG',
  'AU',
  'BU',
  'IU',
  'S-1-1-0',
  'S-1-5-7',
  'S-1-5-32-546',
  'S-1-5-11',
  'S-1-5-32-545',
  'S-1-5-4',
]);

/** The accounts of many that a list of rights in SDDL lets in; empty when there are none. Undefined when the text is no such list. */
export function commonAccounts(sddl: string): readonly string[] | undefined {
  const list = /D:([A-Z_]*)((?:\([^()]*\))*)/.exec(sddl);
  // No list at all, or one that says so, lets everyone in.
  if (list === null) return /^[OGS]:/.test(sddl) ? ['WD'] : undefined;
  const [, flags = '', entries = ''] = list;
  if (flags.includes('NO_ACCESS_CONTROL')) return ['WD'];
  const found = new Set<string>();
  for (const [, entry = ''] of entries.matchAll(/\(([^()]*)\)/g)) {
    const [type, , , , , account = ''] = entry.split(';');
    if (type === 'A' && common.has(account)) found.add(account);
  }
  return [...found];
}

/** Whether a mode of POSIX lets others than the owner read or write. */
export function othersMay(mode: number): boolean {
  return (mode & 0o066) !== 0;
}
