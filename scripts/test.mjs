// `npm test`: set-up, then types, lint, import directions and format, then all tests with the project's own Node, those of the
// extension in a real VS Code last and alone. With arguments: only these test files.
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';

import { buildServer, installDependencies, node, run } from './setup.mjs';

/** The judges that nobody here wrote: Debian packages of each tool that the tests call. Chromium brings no fonts of its own. */
const tools = {
  'qemu-img': 'qemu-utils',
  vhdiinfo: 'libvhdi-utils',
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.ntfs': 'ntfs-3g',
  'fsck.fat': 'dosfstools',
  mdir: 'mtools',
  openssl: 'openssl',
  restic: 'restic',
  chromium: 'chromium fonts-dejavu-core fonts-liberation',
};

function missingTools() {
  const found = (tool) => spawnSync('sh', ['-c', `PATH="$PATH:/usr/sbin:/sbin" command -v ${tool}`]).status === 0;
  return Object.keys(tools).filter((tool) => !found(tool));
}

function installTools() {
  if (process.platform !== 'linux') return;
  const missing = missingTools();
  if (missing.length === 0) return;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && spawnSync('sh', ['-c', 'command -v apt-get']).status === 0) {
    console.log(`Installing test tools: ${missing.join(', ')} …`);
    const quiet = { stdio: ['ignore', 'ignore', 'inherit'], env: { DEBIAN_FRONTEND: 'noninteractive' } };
    run('apt-get', ['update', '-qq'], quiet);
    run(
      'apt-get',
      [
        'install',
        '-y',
        '-qq',
        '--no-install-recommends',
        ...new Set(missing.flatMap((tool) => tools[tool].split(' '))),
      ],
      quiet,
    );
  }
  const still = missingTools();
  if (still.length > 0) console.log(`Not installed: ${still.join(', ')}. The tests that need them are skipped.`);
}

/** The engine over the provider for Hyper-V: the same tests, with a real PowerShell and a fake of Hyper-V behind the agents. */
const engine = [
  'same-data',
  'changed-only',
  'foreign-image',
  'run-control',
  'bad-hosts',
  'kill-agent',
  'kill-daemon',
  'kill-restore',
];

function hypervSteps() {
  const sdks = spawnSync('dotnet', ['--list-sdks'], { encoding: 'utf8' });
  const canBuild = sdks.status === 0 && /^1\d\./m.test(sdks.stdout);
  if (!canBuild && process.env.CI === undefined) {
    console.log('No .NET SDK 10: the tests of the provider for Hyper-V are skipped.');
    return [];
  }
  const files = engine.map((name) => `test/integration/acceptance/${name}.test.ts`);
  return [[node, ['--test', '--test-concurrency=2', ...files], { TIDEMARK_TEST_PROVIDER: 'hyperv' }]];
}

/** The tests of the extension need a browser to show VS Code in; elsewhere than on CI they may be left out. */
function extensionSteps() {
  const browser = process.env.TIDEMARK_TEST_BROWSER;
  const canRun = browser === undefined ? !missingTools().includes('chromium') : existsSync(browser);
  if (canRun || process.env.CI !== undefined) return [[node, ['scripts/extension-tests.mjs']]];
  console.log('No Chromium: the tests of the extension are skipped. Install it, or name one in TIDEMARK_TEST_BROWSER.');
  return [];
}

installDependencies();
installTools();
buildServer({ quiet: true });
const only = process.argv.slice(2);
/** In the environment of whatever the tests start. */
const mark = ['TIDEMARK_TEST_RUN', randomUUID()];
const leftOver = [node, ['test/support/left-over.ts', ...mark]];
const steps =
  only.length > 0
    ? [[node, ['--test', '--test-concurrency=1', ...only]], leftOver]
    : [
        ['npm', ['run', '-s', 'check']],
        [node, ['--test', '--test-concurrency=2', 'test/unit/**/*.test.ts', 'test/integration/**/*.test.ts']],
        leftOver,
        ...hypervSteps(),
        leftOver,
        ...extensionSteps(),
      ];
for (const [command, args, more] of steps) {
  const env = { ...more, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, [mark[0]]: mark[1] };
  const status = run(command, args, { env });
  if (status !== 0) process.exit(status);
}
