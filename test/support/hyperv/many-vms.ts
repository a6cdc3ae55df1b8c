/** A simulated host with many VMs, made by copying one: creating each would take minutes. */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { guidBytes, writeGuid } from '../../../server/vhdx/guid.ts';
import { array, json, object, string } from '../../../server/protocol/parse.ts';

const document = object({ id: string(), disks: array(object({ id: string(), file: string() })) });
const blockBytes = 4096;

/** Copies the VM of the folder `name` so often; each copy has an id, disk files and disk ids of its own. They are called `name-<first>` and so on. Returns the ids of the VMs. */
export async function copyVm(root: string, name: string, count: number, first = 0): Promise<readonly string[]> {
  const source = join(root, 'vms', name);
  const text = await readFile(join(source, 'vm.json'), 'utf8');
  const { id, disks } = json(text, document, 'vm.json');
  const templates = await Promise.all(
    disks.map(async (disk) => ({ ...disk, content: await readFile(join(source, disk.file)) })),
  );
  const ids: string[] = [];
  for (let copy = first; copy < first + count; copy++) {
    const copied = `${name}-${copy}`;
    const newId = randomUUID().toUpperCase();
    const folder = join(root, 'vms', copied);
    await mkdir(folder);
    let newText = text.replaceAll(id, newId).replace(`"name": "${name}"`, `"name": "${copied}"`);
    for (const disk of templates) {
      const diskId = randomUUID().toUpperCase();
      newText = newText.replaceAll(disk.id, diskId);
      const content = withGuid(disk.content, disk.id, diskId);
      await writeSparse(join(folder, disk.file), content);
    }
    await writeFile(join(folder, 'vm.json'), newText);
    ids.push(newId);
  }
  return ids;
}

function withGuid(content: Buffer, before: string, after: string): Buffer {
  const wanted = Buffer.alloc(guidBytes);
  writeGuid(wanted, before, 0);
  const at = content.indexOf(wanted);
  if (at < 0) throw new Error(`The disk file has no id ${before}.`);
  const changed = Buffer.from(content);
  writeGuid(changed, after, at);
  return changed;
}

/** Writes only what is not zero: 1,000 VMs need little room so. */
async function writeSparse(path: string, content: Buffer): Promise<void> {
  await using file = await open(path, 'wx');
  const zeros = Buffer.alloc(blockBytes);
  for (let at = 0; at < content.length; at += blockBytes) {
    const block = content.subarray(at, at + blockBytes);
    if (!block.equals(zeros.subarray(0, block.length))) await file.write(block, 0, block.length, at);
  }
  await file.truncate(content.length);
}
