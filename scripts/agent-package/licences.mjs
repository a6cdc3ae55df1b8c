// The licences of the npm packages that are in a bundle, as one text.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { root } from '../setup.mjs';

/** Names of the packages whose files went into a bundle. */
function packagesOf(metafile) {
  const names = Object.keys(metafile.inputs).flatMap((file) => {
    const rest = file.split('node_modules/').at(-1);
    if (rest === file) return [];
    return [
      rest
        .split('/')
        .slice(0, rest.startsWith('@') ? 2 : 1)
        .join('/'),
    ];
  });
  return [...new Set(names)].sort();
}

function licenceOf(name) {
  const folder = join(root, 'node_modules', name);
  const { version, license, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const texts = readdirSync(folder).filter((file) => /^(licen[cs]e|thirdpartynotices)/i.test(file));
  const who = typeof author === 'string' ? author : author?.name;
  const text =
    texts.length > 0
      ? texts.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n')
      : `The package names its licence and holds no text of it. Author: ${who ?? 'not named'}.`;
  return `${name} ${version} (${license})\n${'-'.repeat(60)}\n${text}\n`;
}

/** The text for the packages of an esbuild metafile. Throws when one of them is not installed at the top of node_modules. */
export function licencesOf(metafile) {
  const names = packagesOf(metafile);
  for (const name of names)
    if (!existsSync(join(root, 'node_modules', name)))
      throw new Error(`${name} is bundled, and is not in node_modules.`);
  return names.map(licenceOf).join('\n\n');
}
