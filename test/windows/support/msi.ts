/** An MSI as msitools read it (`msiinfo`, `msiextract`), which know nothing of who made it. */
import { spawnSync } from 'node:child_process';

/** One row of a table, by the names of its columns. An empty field is null or an empty text: the tables do not tell them apart. */
export type Row = Readonly<Record<string, string>>;

/** Runs one of the tools and gives what it prints. Throws when it fails. */
function tool(name: string, args: readonly string[]): string {
  const result = spawnSync(name, [...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (result.status !== 0) throw new Error(`${name} ${args.join(' ')} failed: ${result.stderr}`);
  return result.stdout;
}

const lines = (text: string): readonly string[] => text.split(/\r?\n/).filter((line) => line !== '');

/** Names of the tables. */
export const tablesOf = (msi: string): readonly string[] => lines(tool('msiinfo', ['tables', msi]));

/** Names of the streams, cabinets among them. */
export const streamsOf = (msi: string): readonly string[] => lines(tool('msiinfo', ['streams', msi]));

/** The rows of a table (Windows Installer, "Text Archive Files": names of columns, their types, name of the table with its keys, rows). */
export function tableOf(msi: string, table: string): readonly Row[] {
  const [columns = '', , , ...rows] = tool('msiinfo', ['export', msi, table]).split(/\r?\n/);
  const names = columns.split('\t');
  return rows
    .filter((row) => row !== '')
    .map((row) => {
      const fields = row.split('\t');
      return Object.fromEntries(names.map((name, index) => [name, fields[index] ?? '']));
    });
}

/** A table of two columns, as pairs. */
export function pairsOf(msi: string, table: string, key: string, value: string): ReadonlyMap<string, string> {
  return new Map(tableOf(msi, table).map((row) => [row[key] ?? '', row[value] ?? '']));
}

/** The summary information: what msiinfo calls each of its properties, and its value. */
export function summaryOf(msi: string): ReadonlyMap<string, string> {
  return new Map(
    lines(tool('msiinfo', ['suminfo', msi])).map((line) => {
      const at = line.indexOf(': ');
      return [line.slice(0, at), line.slice(at + 2)];
    }),
  );
}

/** Takes all files out into a folder, in the folders that they are installed in. */
export function extractAll(msi: string, folder: string): void {
  tool('msiextract', ['--directory', folder, msi]);
}

/** Ids of the files in an embedded cabinet, in its order (Microsoft, "Cabinet File Format": CFHEADER, CFFILE). */
export function cabinetFilesOf(msi: string, cabinet: string): readonly string[] {
  const { stdout: data } = spawnSync('msiinfo', ['extract', msi, cabinet], { maxBuffer: 1024 * 1024 * 1024 });
  if (data.toString('latin1', 0, 4) !== 'MSCF') throw new Error(`${cabinet} is no cabinet`);
  const names: string[] = [];
  let at = data.readUInt32LE(16);
  for (let left = data.readUInt16LE(28); left > 0; left--) {
    const end = data.indexOf(0, at + 16);
    names.push(data.toString('utf8', at + 16, end));
    at = end + 1;
  }
  return names;
}
