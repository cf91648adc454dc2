/** State that cannot lie: hosts that refuse namespaces, and hosts whose mounts are shared. */
import { expect, test } from 'vitest';
import { asRoot, testWith } from './support/capabilities';
import { davitPath } from './support/world';
import { expectRecovery, withFaults } from './fault/truth';

withFaults('the host', (world) => {
  testWith(['userns'], 'no namespaces left (max_user_namespaces 0): the start fails and leaves nothing', async () => {
    const script = `
      echo 0 >/proc/sys/user/max_user_namespaces || exit 10
      "$0" instance start --userns "$1" web; echo "start $?"
      "$0" exec --userns "$1" true; echo "exec $?"
      "$0" instance list --json | grep -c '"instance":'
      ls -A "$DAVIT_STATE_DIR/instances" | wc -l`;
    const { stdout, stderr } = await world().command('unshare', [
      '-Ur',
      'sh',
      '-c',
      script,
      davitPath,
      world().image(),
    ]);
    expect(stdout).toBe('start 255\nexec 255\n0\n0\n');
    expect(stderr).toMatch(/FATAL: {3}make the namespaces: ENOSPC/);
    expect(stderr).toContain('user.max_user_namespaces');
    await expectRecovery(world());
  });

  asRoot(() =>
    test('"/" is shared, as systemd makes it: no mount of an instance appears outside', async () => {
      const script = `
      mount --make-rshared / || exit 10
      cat /proc/self/mountinfo >"$2/before"
      "$0" -q instance start --writable-tmpfs --bind "$2:/mnt" "$1" web || exit 11
      "$0" exec "$1" true || exit 12
      cat /proc/self/mountinfo >"$2/during"
      "$0" -q instance stop web || exit 13
      cat /proc/self/mountinfo >"$2/after"
      cmp "$2/before" "$2/during" && cmp "$2/before" "$2/after" && echo same`;
      const directory = world().makeDirectory('shared');
      const args = ['-m', '--propagation', 'private', 'sh', '-c', script, davitPath, world().image(), directory];
      const { status, stdout, stderr } = await world().command('unshare', args);
      expect([status, stdout, stderr]).toEqual([0, 'same\n', '']);
      await expectRecovery(world());
    }),
  );
});
