// The versions of the package's programs, for the MSI's table File, which wixl leaves without. Windows Installer never replaces a program that has a version by a
// file that has none in that table, and decides so before an upgrade removes the earlier program: the new version would be without it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `VS_FIXEDFILEINFO.dwSignature`, and the first version of the structure (Windows' verrsrc.h). */
const signature = Buffer.from('bd04effe00000100', 'hex');
/** English (United States): the language that the programs' version resources have. */
const language = 1033;

/** The version of a Windows program, `a.b.c.d`, as its version resource has it. Throws when it has none, or more than one. */
export function fileVersionOf(program) {
  const at = program.indexOf(signature);
  if (at < 0 || program.indexOf(signature, at + 1) >= 0) throw new Error('The program does not tell one version.');
  const word = (offset) => program.readUInt16LE(at + offset);
  return [word(10), word(8), word(14), word(12)].join('.');
}

/** Statements that give the table File the versions of programs: `ids` are their ids there, by their names in `folder`. */
export function versionQueries(folder, ids) {
  return Object.entries(ids).flatMap(([name, id]) => [
    `UPDATE \`File\` SET \`Version\` = '${fileVersionOf(readFileSync(join(folder, name)))}', \`Language\` = '${language}' WHERE \`File\` = '${id}'`,
    // The table of check sums is for files without version only.
    `DELETE FROM \`MsiFileHash\` WHERE \`File_\` = '${id}'`,
  ]);
}
