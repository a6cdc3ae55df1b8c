import assert from 'node:assert/strict';
import { test } from 'node:test';

import { filePathProblem, folderOf, joinPath, lastPart, pathProblem } from '../../../../client/commands/flows/paths.ts';
import {
  repositoryLocation,
  repositoryNameProblem,
  recoveryKeyText,
  suggestedRepositoryName,
} from '../../../../client/commands/flows/repository-input.ts';

test('A path is judged by the rules of the machine it is on, not of this one', () => {
  for (const path of ['/srv/backup', '/']) assert.equal(pathProblem(path, 'posix'), undefined, path);
  for (const path of ['D:\\Backup', 'd:/backup', '\\\\nas\\share\\x'])
    assert.equal(pathProblem(path, 'windows'), undefined, path);
  for (const path of ['', 'backup', './x', 'D:\\Backup', '/a\0b']) assert.ok(pathProblem(path, 'posix'), path);
  for (const path of ['', 'D:backup', '\\backup', '/srv/backup', 'D:', '\\\\nas'])
    assert.ok(pathProblem(path, 'windows'), path);
});

test('A file to restore to is no folder', () => {
  assert.equal(filePathProblem('/srv/os.vhdx', 'posix'), undefined);
  assert.ok(filePathProblem('/srv/', 'posix'));
  assert.ok(filePathProblem('D:\\Restore\\', 'windows'));
  assert.ok(filePathProblem('os.vhdx', 'posix'));
});

test('Paths are built by the rules of the machine they are for', () => {
  assert.equal(joinPath('D:\\Backup', 'main', 'windows'), 'D:\\Backup\\main');
  assert.equal(joinPath('/srv/backup/', 'main', 'posix'), '/srv/backup/main');
  assert.equal(folderOf('D:\\a\\b.vhdx', 'windows'), 'D:\\a');
  assert.equal(lastPart('/srv/backup', 'posix'), 'backup');
});

test('A repository goes into the folder when that is empty, else into a new one in it', () => {
  assert.equal(repositoryLocation('/srv/backup', true, 'main', 'posix'), '/srv/backup');
  assert.equal(repositoryLocation('/home/me', false, 'main', 'posix'), '/home/me/main');
});

test('The name proposed for a repository can be used, whatever the folder is called', () => {
  for (const folder of ['/srv/backup', '/', '/srv/Böse Backups!', '/srv/---', `/srv/${'x'.repeat(200)}`]) {
    const name = suggestedRepositoryName(folder, true, ['backup', 'main'], 'posix');
    assert.equal(repositoryNameProblem(name, ['backup', 'main']), undefined, folder);
  }
  assert.equal(suggestedRepositoryName('D:\\Backups\\sql', true, [], 'windows'), 'sql');
  assert.equal(suggestedRepositoryName('/srv/backup', true, ['backup', 'backup-2'], 'posix'), 'backup-3');
  assert.equal(suggestedRepositoryName('/home/me', false, [], 'posix'), 'main');
});

test('The recovery key comes first, alone on its line, before the advice to keep it', () => {
  const [first, second, advice = ''] = recoveryKeyText('ABCD-EFGH').split('\n');
  assert.equal(first, 'ABCD-EFGH');
  assert.equal(second, '');
  assert.match(advice, /this once only/);
});
