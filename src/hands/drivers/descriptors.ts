/**
 * Begins a program that has no descriptor above `last`: what whoever started this process left open to it is for nobody
 * else, and Node cannot close it.
 */
export const withDescriptorsUpTo = (last: number): string[] => ["bash", "-c", closing, String(last)];

const closing = 'cd /proc/$$/fd; for fd in *; do ((fd <= $0)) || eval "exec $fd>&-"; done; cd /; exec "$@"';
