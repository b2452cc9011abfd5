/** Whether this machine lets a test have a network of its own, in which every port is free. */
export const hasNetworks = (() => {
  const { success, stderr } = Bun.spawnSync([...ownNetwork('ss -Hltn'), 'true'])
  if (!success) console.log(`skipped: what needs every port free: ${stderr.toString().trim()}`)
  return success
})()

/** Words before a program that give it a network with nothing but loopback; `before` are shell commands run in it. */
export function ownNetwork(before = 'true'): readonly string[] {
  return ['unshare', '-n', 'sh', '-c', `ip link set lo up && ${before} && exec "$0" "$@"`]
}

/** Words before a program that put it into the network of a process. */
export function networkOf(pid: number): readonly string[] {
  return ['nsenter', '-t', String(pid), '-n']
}
