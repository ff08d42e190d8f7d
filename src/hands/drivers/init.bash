# The first process of a sandbox. It obeys its host: commands end in a NUL and come on stdin, answers are lines on
# stdout. Being pid 1 it cannot be killed from inside, and killing others needs no fork, so a full process table does
# not stop it. Arguments: processes allowed to what it runs, largest file in KiB, largest data segment in KiB, largest memory
# dump in KiB (empty: as it is), open files of a program and how many it may ask for, how gladly the kernel ends it;
# and what each program is begun with, where they have another user than this process.
for fd in /proc/$$/fd/*; do
  # What the host's parent left open must not reach the sandbox. One of them is this file.
  ((${fd##*/} <= 2)) || [[ $fd -ef $0 ]] || eval "exec ${fd##*/}>&-"
done
# Not for whoever has begun the sandbox to enter.
cd /workspace || exit
set -m
umask 022
trap : HUP INT QUIT TERM USR1 USR2 ALRM
processes=$1
[[ ! $4 ]] || ulimit -c "$4"
# Where the host allows less, that stays.
{
  ulimit -Sn "$5"
  ulimit -Hn "$6"
  # No less than its host has said already.
  read -r score </proc/self/oom_score_adj
  ((score >= $7)) || echo "$7" >/proc/self/oom_score_adj
} 2>/dev/null
ulimit -f "$2"
ulimit -d "$3"
# A few above what the sandbox may have, so that a process can be started when a fork bomb has taken the rest.
ulimit -u "$((processes + 16))"
become=("${@:8}")
exec 9>&1 1>/dev/null
declare -A leaders
# This very program, whatever the sandbox has put before it.
hash -p "$BASH" bash

# run ID PIPES CONTROL ARGV... : the leader outlives the process to report its exit code.
run() {
  local id=$1 pipes=$2 control=$3
  shift 3
  {
    exec <"$pipes.in" >"$pipes.out" 2>/dev/null
    echo "started $id" >&9
    (
      ulimit -u "$processes"
      exec 2>"$pipes.err" 3>"$control" 9>&-
      exec -- "${become[@]}" "$@"
    )
    echo "exited $id $?" >&9
  } &
  leaders[$id]=$!
}

# signal N NAME ID SPARE : to every descendant of the leader and to what is left of its process group.
signal() {
  local name=$2 leader=${leaders[$3]-} spare=" $4 " file stat pid fields grown=1
  local -A parents=() targets=()
  if [[ $leader ]]; then
    for file in /proc/[0-9]*/stat; do
      stat=
      IFS= read -r -d '' stat <"$file"
      # After the name, which may hold anything: state, parent, process group.
      fields=(${stat##*) })
      [[ ${fields[2]-} ]] || continue
      pid=${file//[!0-9]/}
      parents[$pid]=${fields[1]}
      [[ ${fields[2]} != "$leader" ]] || targets[$pid]=1
    done
    targets[$leader]=1
    while ((grown)); do
      grown=0
      for pid in "${!parents[@]}"; do
        [[ ${targets[$pid]-} || ! ${targets[${parents[$pid]}]-} ]] || targets[$pid]=1 grown=1
      done
    done
    unset "targets[$leader]"
    for pid in "${!targets[@]}"; do
      [[ $spare == *" $pid "* ]] || kill -s "$name" "$pid"
    done
    # The sandbox may have killed the leader itself.
    kill -s 0 "$leader" || echo "exited $3 137" >&9
  fi 2>/dev/null
  echo "signalled $1" >&9
}

# closed ID : nobody holds its pipes, the leader included.
closed() {
  wait "${leaders[$1]}" 2>/dev/null
  echo "exited $1 137" >&9
}

# forget ID : the host has heard of its end.
forget() {
  unset "leaders[$1]"
}

echo ready >&9
while IFS= read -r -d '' command; do
  eval "$command"
done
