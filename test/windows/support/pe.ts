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
