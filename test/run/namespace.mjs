import process from 'node:process'

/**
 * Wraps a command so that it runs in network, mount and process namespaces of its own (without root also in a user namespace), with the
 * loopback device up and an empty /run, so that `ip netns add` inside is seen by no other process. All it started dies with it.
 * @param {string[]} argv
 * @returns {string[]}
 */
export function inNamespace(argv) {
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user']
  const setUp = 'mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link set lo up && "$@"; exit $?'
  return ['unshare', ...user, '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', setUp, 'sh', ...argv]
}
