/**
 * A daemon process with fake parts: `node daemon-child.ts DATA WORLD [MIN MAX]`. MIN and MAX are the protocols it speaks. It prints `ready`
 * when clients can connect. `TIDEMARK_TEST_IDLE_MS` makes it end when it is not needed for so long. It ends with its test, also when a
 * client started it and nobody in the test knows of it.
 */
import { serveDaemon } from '../../../server/daemon/daemon.ts';
import { fakeParts } from './fake-parts.ts';
import { endWithTest } from './lifeline.ts';

const [dataDirectory = '', world = '', min, max] = process.argv.slice(2);
await endWithTest(world);
const controller = new AbortController();
process.once('SIGTERM', () => controller.abort());
const onReady = (): void => void process.stdout.write('ready\n');
const protocol = min === undefined ? {} : { protocol: { min: Number(min), max: Number(max) } };
const idleMs = process.env['TIDEMARK_TEST_IDLE_MS'];
const exitWhenIdleMs = idleMs === undefined ? undefined : Number(idleMs);
try {
  await serveDaemon(
    { dataDirectory, version: '0.0.0-test', signal: controller.signal, onReady, exitWhenIdleMs },
    { ...fakeParts(world), ...protocol },
  );
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
process.exit();
