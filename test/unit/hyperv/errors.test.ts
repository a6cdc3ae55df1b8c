import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { actionOf, namedFunctions } from '../../../server/agent/hyperv/failures/actions.ts';
import type { ModuleError } from '../../../server/agent/hyperv/commands/answer.ts';
import * as commands from '../../../server/agent/hyperv/commands/index.ts';
import type { Job } from '../../../server/agent/hyperv/commands/jobs.ts';
import {
  hypervError,
  isDoubtful,
  isOutcomeUnknown,
  jobFailure,
  moduleFailure,
  retryable,
} from '../../../server/agent/hyperv/failures/errors.ts';
import { hintOf } from '../../../server/agent/hyperv/failures/hints.ts';
import { hresultsIn, knownHresults } from '../../../server/agent/hyperv/failures/hresults.ts';
import { knownModuleErrors, plainModuleErrors } from '../../../server/agent/hyperv/failures/module-errors.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { ErrorCode } from '../../../server/protocol/errors.ts';

type Name = keyof typeof errorCodes;

const plain: ModuleError = {
  message: 'Es ist ein Fehler aufgetreten.',
  type: 'Microsoft.Management.Infrastructure.CimException',
  hresult: 0x80131500,
  errorId: 'Test',
  category: 'NotSpecified',
  nativeErrorCode: 'Failed',
  method: null,
  returnValue: null,
  details: [],
};

const ended: Job = {
  jobState: 10,
  jobType: 70,
  percent: 50,
  errorCode: 32_768,
  errorDescription: '',
  cancellable: false,
  completionStatus: 0,
  errors: [],
};

const failure = (error: Partial<ModuleError>, name = 'Get-TidemarkVm'): TidemarkError =>
  moduleFailure({ ...plain, ...error }, name);
const nameOf = (error: TidemarkError): string | undefined =>
  Object.entries(errorCodes).find(([, code]) => code === error.code)?.[0];
const hex = (hresult: number): string => `0x${hresult.toString(16).toUpperCase()}`;

/** What each HRESULT of hyperv-rct.md 3.6 and 2.3 must become. */
const hresults: readonly (readonly [Name, readonly number[]])[] = [
  ['trackingUnknown', [0xc03a0029, 0xc03a002a, 0xc03a0030, 0xc03a0020, 0xc03a0021, 0xc03a0022, 0xc03a0023, 0xc03a0024]],
  ['diskParentMissing', [0xc03a000d, 0xc03a0019]],
  ['diskParentMismatch', [0xc03a000e, 0xc03a000f, 0xc03a0017]],
  ['diskParentCycle', [0xc03a0018]],
  ['diskCorrupt', [0xc03a0001, 0xc03a0006, 0xc03a000c, 0xc03a0010, 0xc03a0011, 0xc03a0012, 0xc03a0013]],
  ['diskUnsupported', [0xc03a0014, 0xc03a001a, 0xc03a001b, 0xc03a001d]],
  ['diskFormatUnknown', [0xc03a0015]],
  ['vmWrongState', [0xc03a001c]],
  ['hostFileInUse', [0xc03a001e, 0xc03a001f, 0x80070020, 0x80070021]],
  ['hostFileMissing', [0x80070002, 0x80070003]],
  ['exportTargetUnusable', [0x80070050, 0x80070091, 0x800700b7]],
  ['hostDiskFull', [0x80070070, 0x80070027]],
  ['hypervAccessDenied', [0x80070005, 0x80041003, 0x8009030e]],
  ['hostFileSystemLimit', [0x80070299]],
  ['hostStorageLost', [0x800703ee]],
  ['checkpointHold', [0x80048102, 0x800480bc, 0x800480bd]],
  ['consistencyUnavailable', [0x800423f2, 0x800423f3, 0x800423f4, 0x80042306, 0x80042316]],
  ['logonRightMissing', [0x8007052f, 0x80070569]],
  ['vmNotFound', [0x80041002]],
  ['hypervUnavailable', [0x80041010, 0x8004100e]],
  ['hypervServiceLost', [0x80041013, 0x80041032, 0x800706ba, 0x800706be, 0x80338126]],
  ['hypervOperationFailed', [0x80041008]],
];

describe('An HRESULT', () => {
  for (const [name, numbers] of hresults) {
    for (const hresult of numbers) {
      it(`${hex(hresult)} is ${name}, wherever it comes`, () => {
        const signed = String(hresult | 0);
        const places: readonly Partial<ModuleError>[] = [
          { hresult },
          { errorId: `HRESULT ${hex(hresult).toLowerCase()},Microsoft.Management.Infrastructure.CimCmdlets` },
          { message: `Vorgang fehlgeschlagen (${hex(hresult)}).\r\nNoch eine Zeile.` },
          { message: `Fehler ${signed}.` },
          {
            details: [{ message: `„VM“ konnte nicht: Allgemein (0x80004005), dann (${hex(hresult)})`, messageId: '1' }],
          },
        ];
        for (const place of places) {
          const error = failure(place);
          assert.equal(nameOf(error), name, JSON.stringify(place));
          assert(error.message.includes(hex(hresult)), error.message);
          assert(error.hint);
        }
        const byJob: readonly Partial<Job>[] = [
          { completionStatus: hresult },
          { errorDescription: `Fehler: ${signed}` },
          { errors: [{ message: `(${hex(hresult)})`, messageId: '' }] },
        ];
        for (const part of byJob) {
          assert.equal(nameOf(jobFailure({ ...ended, ...part }, 'Get-TidemarkVm')), name, JSON.stringify(part));
        }
      });
    }
  }

  it('is found in a text as eight digits or as a negative number, and nowhere else', () => {
    assert.deepEqual(hresultsIn('a 0x80070020, b (0xc03a0029) c -2147024864 d'), [0x80070020, 0xc03a0029, 0x80070020]);
    assert.deepEqual(
      hresultsIn('0x800700201 0x8007002 -21470248641 2147024864 1.-2147024864 -2147024864.5 -99999999999'),
      [],
    );
  });

  it('that nobody knows leaves the failure of what was being done, with the words of Hyper-V', () => {
    const error = failure({ message: 'Etwas\nging schief (0x80004005).' }, 'Start-TidemarkCheckpointRemoval');
    assert.equal(nameOf(error), 'hypervOperationFailed');
    assert.equal(error.message, 'Hyper-V could not remove the checkpoint. It says: Etwas ging schief (0x80004005).');
  });

  it('of a VM that must not be touched comes before every other', () => {
    const error = failure({ hresult: 0x80070020, message: '(0x80070070) (0x80048102)' });
    assert.equal(nameOf(error), 'checkpointHold');
    assert.match(error.hint ?? '', /Do not restart/);
    assert.equal(retryable(error), false);
  });

  it('means another thing where files are written', () => {
    const names = (hresult: number): readonly (string | undefined)[] =>
      ['Start-TidemarkExport', 'Start-TidemarkImport', 'Get-TidemarkVm'].map((name) =>
        nameOf(failure({ hresult }, name)),
      );
    assert.deepEqual(names(0x80070005), ['exportTargetUnusable', 'hypervAccessDenied', 'hypervAccessDenied']);
    assert.deepEqual(names(0x80070050), ['exportTargetUnusable', 'vmExists', 'exportTargetUnusable']);
  });

  it('of something that is not there says what it is that is not', () => {
    const names = ['Start-TidemarkConversion', 'Start-TidemarkReferencePointRemoval', 'Get-TidemarkVss'];
    assert.deepEqual(
      names.map((name) => nameOf(failure({ hresult: 0x80041002 }, name))),
      ['checkpointNotFound', 'referencePointNotFound', 'vmNotFound'],
    );
  });
});

describe('A return value', () => {
  const code = (returnValue: number, method = 'CreateSnapshot'): string | undefined =>
    nameOf(failure({ errorId: 'WmiMethodFailed', method, returnValue }, 'Start-TidemarkCheckpoint'));

  it('has the meaning of its family', () => {
    const table: readonly (readonly [number, Name])[] = [
      [1, 'hypervUnsupported'],
      [2, 'checkpointFailed'],
      [3, 'checkpointFailed'],
      [4, 'checkpointFailed'],
      [5, 'vmOperationRunning'],
      [6, 'checkpointFailed'],
      [4097, 'checkpointFailed'],
      [32_768, 'checkpointFailed'],
      [32_769, 'hypervAccessDenied'],
      [32_770, 'hypervUnsupported'],
      [32_771, 'outcomeUnknown'],
      [32_772, 'checkpointFailed'],
      [32_773, 'checkpointFailed'],
      [32_774, 'vmOperationRunning'],
      [32_775, 'vmOperationRunning'],
      [32_776, 'checkpointFailed'],
      [32_777, 'hypervServiceLost'],
      [32_778, 'checkpointFailed'],
      [65_535, 'checkpointFailed'],
    ];
    for (const [value, name] of table) assert.equal(code(value), name, String(value));
  });

  it('32779 is a missing file for the image service, and one in use for others', () => {
    assert.equal(code(32_779, 'GetVirtualDiskChanges'), 'hostFileMissing');
    assert.equal(code(32_779, 'ImportSystemDefinition'), 'hostFileInUse');
  });

  it('is in the message with its method, and says less than an HRESULT that came with it', () => {
    const error = failure({
      errorId: 'WmiMethodFailed',
      method: 'CreateSnapshot',
      returnValue: 32_775,
      details: [{ message: 'Kein Platz (0x80070070)', messageId: '' }],
    });
    assert.equal(nameOf(error), 'hostDiskFull');
    assert(error.message.includes('(0x80070070, CreateSnapshot gave 32775). It says: Kein Platz'), error.message);
  });

  it('is worth another try exactly when something passing is in the way', () => {
    const worth = [3, 4, 5, 32_769, 32_770, 32_772, 32_773, 32_774, 32_775, 32_776, 32_777].filter((returnValue) =>
      retryable(failure({ method: 'DestroySnapshot', returnValue }, 'Start-TidemarkCheckpointRemoval')),
    );
    assert.deepEqual(worth, [3, 5, 32_772, 32_774, 32_775, 32_777]);
    assert(!retryable(failure({ method: 'DestroySnapshot', returnValue: 32_768 }, 'Start-TidemarkCheckpointRemoval')));
    assert(retryable(failure({ method: 'CreateSnapshot', returnValue: 32_768 }, 'Start-TidemarkCheckpoint')));
    assert(retryable(failure({ hresult: 0x80070020 })));
    assert(!retryable(failure({ hresult: 0x80070005 })));
    assert(!retryable(new TidemarkError(errorCodes.vmBusy, 'x')));
    assert(!retryable(new Error('x')));
  });
});

describe('An error id', () => {
  it('of the module is told by what the module gives, also with what PowerShell puts behind it', () => {
    const table: Readonly<Record<string, Name>> = {
      HypervNotAvailable: 'hypervUnavailable',
      VmNotFound: 'vmNotFound',
      CheckpointNotFound: 'checkpointNotFound',
      ReferencePointNotFound: 'referencePointNotFound',
      NotOwnCheckpoint: 'notOwnObject',
      NotThisReferencePoint: 'notOwnObject',
      NotPlanned: 'notOwnObject',
      VmBusy: 'vmOperationRunning',
      JobMissing: 'outcomeUnknown',
      WrongArgument: 'powerShellFailed',
      CommandNotFoundException: 'powerShellFailed',
    };
    for (const [id, name] of Object.entries(table)) {
      assert.equal(nameOf(failure({ errorId: id })), name);
      assert.equal(nameOf(failure({ errorId: `${id},Get-TidemarkVm` })), name);
    }
  });

  it('of a VM that is busy says with what', () => {
    const busy = (returnValue: number | null): string =>
      failure({ errorId: 'VmBusy', returnValue, message: '' }, 'Start-TidemarkCheckpoint').message;
    assert.equal(busy(32_772), 'Hyper-V could not take the checkpoint: the disks of the VM are being merged.');
    assert.equal(busy(32_774), 'Hyper-V could not take the checkpoint: the VM is being migrated.');
    assert.equal(busy(40_000), 'Hyper-V could not take the checkpoint: another operation runs on the VM.');
    assert.equal(busy(null), busy(40_000));
    assert(retryable(failure({ errorId: 'VmBusy', returnValue: 32_772 })));
  });

  it('of changes that cannot be leads to a full read of the disk', () => {
    for (const errorId of ['NoProgress', 'ChangesUneven', 'ChangesAsJob']) {
      const error = failure({ errorId, method: 'GetVirtualDiskChanges', returnValue: 0 }, 'Get-TidemarkChangedExtent');
      assert.equal(nameOf(error), 'trackingUnknown');
    }
  });

  it('of the module is always known', () => {
    const folder = new URL('../../../server/agent/hyperv/Tidemark.HyperV/', import.meta.url);
    const given = new Set(
      readdirSync(folder)
        .filter((file) => file.endsWith('.ps1'))
        .flatMap((file) => [...readFileSync(new URL(file, folder), 'utf8').matchAll(/New-ModuleError '(\w+)'/g)])
        .map(([, id = '']) => id),
    );
    assert(given.size > 5);
    const known = new Set([...knownModuleErrors, ...plainModuleErrors]);
    assert.deepEqual(
      [...given].filter((id) => !known.has(id)),
      [],
    );
  });

  it("of WMI is told by WMI's own name when no number came", () => {
    assert.equal(nameOf(failure({ nativeErrorCode: 'AccessDenied' })), 'hypervAccessDenied');
    assert.equal(nameOf(failure({ nativeErrorCode: 'InvalidClass' })), 'hypervUnavailable');
    assert.equal(nameOf(failure({ nativeErrorCode: 'ServerIsShuttingDown' })), 'hypervServiceLost');
    assert.equal(nameOf(failure({ nativeErrorCode: 'Failed' })), 'hypervOperationFailed');
  });
});

describe('A failure', () => {
  /** The rows of hyperv-rct.md 5.1 that a number or an id tells. */
  const rows: readonly (readonly [string, Name, () => TidemarkError])[] = [
    [
      '4: VSS in the guest',
      'consistencyUnavailable',
      () => jobFailure({ ...ended, jobType: 51, errorDescription: '(0x800423F3)' }, 'Start-TidemarkCheckpoint'),
    ],
    [
      '5: the checkpoint fails without a reason',
      'checkpointFailed',
      () => jobFailure(ended, 'Start-TidemarkCheckpoint'),
    ],
    ['6: the conversion fails', 'hypervOperationFailed', () => jobFailure(ended, 'Start-TidemarkConversion')],
    [
      '8: the reference point is gone',
      'referencePointNotFound',
      () => failure({ errorId: 'ReferencePointNotFound' }, 'Start-TidemarkExport'),
    ],
    [
      '8: the tracking id is unknown',
      'trackingUnknown',
      () =>
        failure(
          {
            method: 'GetVirtualDiskChanges',
            returnValue: 32_768,
            details: [{ message: '(0xC03A0029)', messageId: '' }],
          },
          'Get-TidemarkChangedExtent',
        ),
    ],
    [
      '9 and 28: a file is held',
      'hostFileInUse',
      () => jobFailure({ ...ended, completionStatus: 0x80070020 }, 'Start-TidemarkReferencePointRemoval'),
    ],
    ['12: the management service restarts', 'hypervServiceLost', () => failure({ hresult: 0x800706be })],
    [
      '13: the chain is broken',
      'diskParentMissing',
      () => failure({ details: [{ message: '(0xC03A000D)', messageId: '' }] }, 'Get-TidemarkVirtualDisk'),
    ],
    [
      '14: hold',
      'checkpointHold',
      () => jobFailure({ ...ended, errorDescription: '(0x80048102)' }, 'Start-TidemarkCheckpointRemoval'),
    ],
    [
      '23: the storage is full',
      'hostDiskFull',
      () => jobFailure({ ...ended, errorDescription: '(0x80070070)' }, 'Start-TidemarkCheckpoint'),
    ],
    [
      '25: the export folder cannot be written',
      'exportTargetUnusable',
      () => jobFailure({ ...ended, errorDescription: '(0x80070005)' }, 'Start-TidemarkExport'),
    ],
    [
      '25: the export folder is not empty',
      'exportTargetUnusable',
      () => failure({ message: '-2147024816' }, 'Start-TidemarkExport'),
    ],
  ];
  for (const [row, name, make] of rows) {
    it(`of row ${row} has its code and a hint`, () => {
      const error = make();
      assert.equal(nameOf(error), name);
      assert.match(error.message, /^Hyper-V could not /);
      assert(error.hint);
    });
  }

  it('of a job that somebody at the host cancelled says so', () => {
    for (const jobState of [8, 9]) {
      const error = jobFailure({ ...ended, jobState, errorCode: 0 }, 'Start-TidemarkExport');
      assert.equal(error.message, 'Hyper-V could not export the VM: it was cancelled on the host.');
    }
  });

  it('is one line of bounded length, whatever Hyper-V says', () => {
    const error = failure({ message: `a\r\n\u202Eb\u0000${'x'.repeat(60_000)}` });
    assert(error.message.length < 1500);
    assert.doesNotMatch(error.message, /\p{Cc}|\u202E/u);
  });

  it('that leaves open what was done is told from one that does not', () => {
    const open: readonly ErrorCode[] = ['TM2202', 'TM2203', 'TM2204', 'TM2208', 'TM2209', 'TM1999'];
    for (const code of Object.values(errorCodes)) {
      assert.equal(isOutcomeUnknown(new TidemarkError(code, 'x')), open.includes(code), code);
    }
    assert.equal(isOutcomeUnknown(new Error('x')), false);
  });

  it('of RPC or memory makes the session doubtful, another does not', () => {
    for (const hresult of [0x800706ba, 0x800706be, 0x80041013, 0x8007000e]) {
      assert(isDoubtful({ ...plain, hresult }));
      assert(isDoubtful({ ...plain, errorId: `HRESULT ${hex(hresult)},x` }));
    }
    assert(!isDoubtful({ ...plain, hresult: 0x80070020 }));
  });

  it('that the provider finds out itself has the usual hint of its code, or its own', () => {
    assert.equal(hypervError(errorCodes.mergeFailed, 'x').hint, hintOf(errorCodes.mergeFailed));
    assert.equal(hypervError(errorCodes.mergeFailed, 'x', { hint: 'y' }).hint, 'y');
  });
});

describe('The tables', () => {
  it('have a hint for every code of Hyper-V', () => {
    for (const [name, code] of Object.entries(errorCodes)) {
      if (code.startsWith('TM22')) assert(hintOf(code), name);
    }
  });

  it('have a sentence and a hint for every number', () => {
    for (const hresult of knownHresults) {
      const error = failure({ hresult }, 'Start-TidemarkCheckpoint');
      assert(error.hint, hex(hresult));
      assert.match(error.message, /^Hyper-V could not take the checkpoint: [^.]+ \(0x/);
    }
  });

  it('have words for every function of the module', () => {
    const names = Object.values(commands).flatMap((value) =>
      typeof value === 'object' && 'name' in value && typeof value.name === 'string' ? [value.name] : [],
    );
    assert(names.length > 20);
    assert.deepEqual(
      names.filter((name) => !namedFunctions.includes(name)),
      [],
    );
    assert.deepEqual(
      namedFunctions.filter((name) => !names.includes(name)),
      [],
    );
    assert.equal(actionOf('Get-Other').doing, 'carry out an operation');
  });
});
