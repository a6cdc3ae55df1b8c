/** Looks at Windows programs (Microsoft, "PE Format"). */

const x64 = 0x8664;
const pe32plus = 0x20b;
/** Index of the attribute certificate table among the data directories; its address is an offset in the file. */
const certificates = 4;

/** Whether a file is a program for Windows x64 that has all of its sections, and of its signature when it is signed. */
export function isWholeWindowsProgram(file: Buffer): boolean {
  if (file.length < 0x40 || file.toString('latin1', 0, 2) !== 'MZ') return false;
  const at = file.readUInt32LE(0x3c);
  if (at + 24 > file.length || file.toString('latin1', at, at + 4) !== 'PE\0\0') return false;
  const optional = at + 24;
  const optionalBytes = file.readUInt16LE(at + 20);
  if (file.readUInt16LE(at + 4) !== x64 || file.readUInt16LE(optional) !== pe32plus) return false;
  const directory = optional + 112 + certificates * 8;
  const ends = [file.readUInt32LE(directory) + file.readUInt32LE(directory + 4)];
  for (let index = 0; index < file.readUInt16LE(at + 6); index++) {
    const section = optional + optionalBytes + index * 40;
    ends.push(file.readUInt32LE(section + 16) + file.readUInt32LE(section + 20));
  }
  return Math.max(...ends) === file.length;
}

/** The versions in a program's version resource: the numbers that Windows compares, and the text that people see. */
export function versionOf(file: Buffer): { readonly file: string; readonly product: string | undefined } {
  // VS_VERSIONINFO: its key, padding to four bytes, then VS_FIXEDFILEINFO.
  const key = file.indexOf(Buffer.from('VS_VERSION_INFO\0', 'utf16le'));
  const fixed = file.indexOf(Buffer.from('bd04effe', 'hex'), key);
  if (key < 0 || fixed < 0 || fixed > key + 64) throw new Error('The program has no version.');
  const [minor, major, patch, build] = [8, 10, 14, 12].map((at) => file.readUInt16LE(fixed + at));
  const name = Buffer.from('ProductVersion\0', 'utf16le');
  const text = file.indexOf(name, fixed);
  const product = text < 0 ? undefined : utf16(file, text + name.length);
  return { file: `${major}.${minor}.${patch}.${build}`, product };
}

/** The first text at or after an address, up to its end mark. */
function utf16(file: Buffer, address: number): string {
  let from = address;
  while (file.readUInt16LE(from) === 0) from += 2;
  let to = from;
  while (file.readUInt16LE(to) !== 0) to += 2;
  return file.toString('utf16le', from, to);
}

/** The libraries that Windows must find to start a program: those of the import directory, in small letters. */
export function importedLibraries(file: Buffer): readonly string[] {
  const at = file.readUInt32LE(0x3c);
  const optional = at + 24;
  const sections = optional + file.readUInt16LE(at + 20);
  const placeOf = (address: number): number => {
    for (let section = sections; section < sections + 40 * file.readUInt16LE(at + 6); section += 40) {
      const start = file.readUInt32LE(section + 12);
      if (address >= start && address < start + file.readUInt32LE(section + 16)) {
        return address - start + file.readUInt32LE(section + 20);
      }
    }
    throw new Error(`No section of the program has the address ${address}.`);
  };
  const names: string[] = [];
  for (let entry = placeOf(file.readUInt32LE(optional + 112 + 8)); file.readUInt32LE(entry + 12) !== 0; entry += 20) {
    const name = placeOf(file.readUInt32LE(entry + 12));
    names.push(file.toString('latin1', name, file.indexOf(0, name)).toLowerCase());
  }
  return names;
}
