/** A simulated host with many VMs, made by copying one: creating each would take minutes. */
import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { json, object, string } from '../../../server/protocol/parse.ts';

/** Copies the VM of the folder `name` so often; each copy has an id and disk files of its own. Returns their ids. */
export async function copyVm(root: string, name: string, count: number): Promise<readonly string[]> {
  const source = join(root, 'vms', name);
  const document = await readFile(join(source, 'vm.json'), 'utf8');
  const disks = (await readdir(source)).filter((file) => file.endsWith('.vhdx'));
  const { id } = json(document, object({ id: string() }), 'vm.json');
  const ids: string[] = [];
  for (let copy = 0; copy < count; copy++) {
    const copied = `${name}-${copy}`;
    const newId = randomUUID().toUpperCase();
    const folder = join(root, 'vms', copied);
    await mkdir(folder);
    for (const file of disks) await copyFile(join(source, file), join(folder, file));
    const text = document.replaceAll(id, newId).replace(`"name": "${name}"`, `"name": "${copied}"`);
    await writeFile(join(folder, 'vm.json'), text);
    ids.push(newId);
  }
  return ids;
}
