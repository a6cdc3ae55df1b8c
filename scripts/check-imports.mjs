// The import-direction check: one table says which folder may import which. Anything else fails CI.
// Imports run one way (docs/architecture.md), so a newcomer can read any layer without the ones above it.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Layer → the layers it may import, besides itself and Node's built-in modules. */
const allowed = {
  'server/protocol': [],
  'server/base': ['server/protocol'],
  'server/vhdx': ['server/base', 'server/protocol'],
  'server/repository': ['server/base', 'server/protocol'],
  'server/agent': ['server/vhdx', 'server/base', 'server/protocol'],
  'server/agent/simulated': ['server/agent', 'server/vhdx', 'server/base', 'server/protocol'],
  'server/agent/hyperv': ['server/agent', 'server/vhdx', 'server/base', 'server/protocol'],
  'server/policy': ['server/base', 'server/protocol'],
  'server/language': ['server/policy', 'server/base', 'server/protocol'],
  'server/daemon': ['server/policy', 'server/repository', 'server/vhdx', 'server/base', 'server/protocol'],
  'server/connect': ['server/base', 'server/protocol'],
  'server/cli': ['server/connect', 'server/base', 'server/protocol'],
  // The editor. Only its upper part imports VS Code: what is below runs, and is tested, without it.
  'client/base': ['server/base', 'server/protocol'],
  'client/daemon': ['client/base', 'server/connect', 'server/base', 'server/protocol'],
  'client/stores': ['client/base', 'client/daemon', 'server/connect', 'server/base', 'server/protocol'],
  client: ['client/base', 'client/daemon', 'client/stores', 'server/connect', 'server/base', 'server/protocol'],
};

/** Single files that may import more: the composition roots. */
const exceptions = {
  'server/agent/main.ts': ['server/agent/simulated', 'server/agent/hyperv'],
  'server/cli/commands/sim.ts': ['server/agent/simulated', 'server/agent'],
  'server/cli/commands/agent-self-test.ts': ['server/agent', 'server/agent/hyperv'],
  'server/cli/commands/agent-serve.ts': ['server/agent'],
  'server/cli/commands/agent-doctor.ts': ['server/agent', 'server/agent/hyperv'],
  'server/cli/commands/agent-install.ts': ['server/agent'],
  'server/cli/commands/agent-set-up.ts': ['server/agent'],
  'server/cli/commands/daemon.ts': ['server/daemon'],
  // Checking a policy needs no daemon, so that any CI can do it.
  'server/cli/commands/policy-validate.ts': ['server/policy'],
  'server/cli/policy-file.ts': ['server/policy'],
  'server/cli/demo/guest.ts': ['server/agent/simulated'],
  'server/cli/demo/try-host.ts': ['server/agent/simulated'],
};

/** npm packages a layer may import. */
const packages = {
  'server/protocol': ['vscode-jsonrpc'],
  'server/agent': ['vscode-jsonrpc'],
  'server/agent/hyperv': ['node-powershell'],
  'server/policy': ['croner', 'yaml'],
  'server/language': [
    'vscode-jsonrpc',
    'vscode-languageserver',
    'vscode-languageserver-protocol',
    'vscode-languageserver-textdocument',
    'yaml',
  ],
  'server/daemon': ['nodemailer', 'vscode-jsonrpc'],
  'server/base': ['vscode-jsonrpc'],
  'server/connect': ['vscode-jsonrpc'],
  'server/cli': ['commander', 'js-fatfs'],
  client: ['vscode', 'vscode-languageclient'],
};

/** Models of views: pure, so they are tested without VS Code. */
const isModel = (file) => file.startsWith('client/') && file.endsWith('-model.ts');

const layers = Object.keys(allowed).sort((a, b) => b.length - a.length);
const layerOf = (file) => layers.find((layer) => file.startsWith(`${layer}/`));

function* sources(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

const problems = [];
for (const path of [...sources(join(root, 'server')), ...sources(join(root, 'client'))]) {
  const file = relative(root, path).split(sep).join('/');
  const layer = layerOf(file);
  if (layer === undefined) {
    problems.push(`${file}: lies in no known layer`);
    continue;
  }
  for (const [, specifier] of readFileSync(path, 'utf8').matchAll(
    /(?:(?<![.\w])from\s+|\bimport\s*\(?\s*)'([^']+)'/g,
  )) {
    if (specifier.startsWith('node:')) {
      if (layer === 'server/protocol') problems.push(`${file}: protocol imports no Node module (${specifier})`);
      continue;
    }
    if (!specifier.startsWith('.')) {
      const name = specifier.split('/')[0];
      if (!(packages[layer] ?? []).includes(name))
        problems.push(`${file}: ${layer} may not import the package ${specifier}`);
      else if (isModel(file)) problems.push(`${file}: a model imports no package (${specifier})`);
      continue;
    }
    const target = normalize(join(dirname(file), specifier))
      .split(sep)
      .join('/');
    const targetLayer = layerOf(target);
    if (targetLayer === layer) continue;
    if (targetLayer !== undefined && allowed[layer].includes(targetLayer)) continue;
    if (targetLayer !== undefined && (exceptions[file] ?? []).includes(targetLayer)) continue;
    problems.push(`${file}: ${layer} may not import ${target}`);
  }
}

if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
